"""Genotypes of DARTS and aw_nas as text, parsed as literals and never evaluated.

DARTS (quark0/darts, Liu et al., ICLR 2019): `Genotype(normal=[('sep_conv_3x3', 0), ...],
normal_concat=[2, 3, 4, 5], reduce=[...], reduce_concat=range(2, 6))`, two (operation, input)
entries a node, node after node. aw_nas (walkerning/aw_nas): `CNNGenotype(normal_0=[('sep_conv_3x3',
0, 2), ...], reduce_1=[...], normal_0_concat=[...], reduce_1_concat=[...])` with (operation, from
node, to node); the lists alone are allowed, and so are texts without concatenations.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

from spaces.errors import InvalidFile

# Nodes 0 and 1 are the outputs of the two cells before.
_FIRST = 2

# Bounded repetitions keep matching linear in the length of a text.
_ASSIGNED = re.compile(r"\A\s*\w+\s*=\s*(?=\w{0,40}Genotype\w{0,40}\s*\()")
_NAMED = re.compile(r"\A\s*\w{0,40}Genotype\w{0,40}\s*\(")


@dataclass(frozen=True)
class Edge:
    """An operation on one input: 0 and 1 are the cells before, 2 is the first node."""

    operation: str
    source: int


Cell = tuple[tuple[Edge, ...], ...]
"""The edges of each node, in the order of the text."""


@dataclass(frozen=True)
class Genotype:
    """The two cells of a network; each concatenates all its nodes."""

    normal: Cell
    reduce: Cell


def looks_like_genotype(text: str) -> bool:
    """Return whether a text begins like a genotype."""
    return bool(_ASSIGNED.match(text) or _NAMED.match(text) or re.match(r"\A\s*normal_0\s*=", text))


def parse_genotype(text: str) -> Genotype:
    """Read a text of either form.

    Raises:
        InvalidFile: A field, node or entry is missing, misplaced or of the wrong kind; it is named.
    """
    fields = read_fields(text)

    # aw_nas numbers its cell groups, normal_0 and reduce_1; DARTS names them.
    form = _AW_NAS if "normal_0" in fields or "reduce_1" in fields else _DARTS
    for name in (form.normal, form.reduce):
        if name not in fields:
            raise InvalidFile(f"the genotype lacks {name!r}")

    for name in fields:
        if name.removesuffix("_concat") not in (form.normal, form.reduce):
            raise InvalidFile(f"unexpected field {name!r}; a genotype has {', '.join(form.fields)}")

    read_cell = _targeted_cell if form is _AW_NAS else _paired_cell
    cells = []
    for name in (form.normal, form.reduce):
        cell = read_cell(name, fields[name])
        _check_concat(f"{name}_concat", fields, len(cell), required=form is _DARTS)
        cells.append(cell)
    return Genotype(*cells)


def format_darts(genotype: Genotype) -> str:
    """Return the text that DARTS prints."""
    fields = []
    for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        entries = [(edge.operation, edge.source) for node in cell for edge in node]
        fields.append(f"{name}={entries!r}, {name}_concat={_concat(len(cell))!r}")
    return f"Genotype({', '.join(fields)})"


def format_aw_nas(genotype: Genotype) -> str:
    """Return the text that aw_nas prints."""
    cells = {"normal_0": genotype.normal, "reduce_1": genotype.reduce}
    entries = {
        name: [
            (edge.operation, edge.source, target)
            for target, edges in enumerate(cell, _FIRST)
            for edge in edges
        ]
        for name, cell in cells.items()
    }

    fields = [f"{name}={value!r}" for name, value in entries.items()]
    fields += [f"{name}_concat={_concat(len(cell))!r}" for name, cell in cells.items()]

    return f"CNNGenotype({', '.join(fields)})"


@dataclass(frozen=True)
class _Form:
    normal: str
    reduce: str

    @property
    def fields(self) -> tuple[str, ...]:
        return self.normal, f"{self.normal}_concat", self.reduce, f"{self.reduce}_concat"


_DARTS = _Form("normal", "reduce")
_AW_NAS = _Form("normal_0", "reduce_1")


def read_fields(text: str) -> dict[str, Any]:
    """Return the named fields of a genotype's text, each a plain list.

    Raises:
        InvalidFile: The text is no genotype, or a field is no list or occurs twice.
    """
    body = _ASSIGNED.sub("", text).strip()
    # The lists alone become a call too, so that there is one way to read both.
    if not _NAMED.match(body):
        body = f"CNNGenotype({body})"
    try:
        call = ast.parse(body, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidFile(
            f"not a genotype such as 'Genotype(normal=[...], ...)': {text!r:.60}"
        ) from error

    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise InvalidFile(
            f"a genotype has named fields, 'Genotype(normal=[...], ...)', not {text!r:.60}"
        )

    fields: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in fields:
            raise InvalidFile(
                f"the genotype has the field {keyword.arg or '**'!r} twice or without a name"
            )
        fields[keyword.arg] = _literal(keyword.arg, keyword.value)

    return fields


def _literal(name: str, node: ast.expr) -> Any:
    # `range(2, 6)` is how later DARTS code prints a concatenation.
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "range"
        and not node.keywords
    ):
        bounds = [_literal(name, argument) for argument in node.args]
        if len(bounds) in (1, 2) and all(
            type(bound) is int and 0 <= bound < 100 for bound in bounds
        ):
            return list(range(*bounds))

    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise InvalidFile(f"{name} is not a plain list: {ast.unparse(node)[:60]}") from error


def read_entries(name: str, value: Any, length: int) -> list[tuple[Any, ...]]:
    """Return a field's entries, each an operation and `length` - 1 numbers of nodes.

    Raises:
        InvalidFile: An entry is another value.
    """
    if not isinstance(value, list | tuple):
        raise InvalidFile(f"{name} is a list of entries, not {value!r:.60}")

    for position, entry in enumerate(value):
        # `type(...) is not int` excludes True and False, which are integers in Python.
        is_entry = (
            isinstance(entry, tuple | list) and len(entry) == length and isinstance(entry[0], str)
        )
        if not is_entry or any(type(number) is not int for number in entry[1:]):
            raise InvalidFile(
                f"{name}[{position}] is an operation and {length - 1} node number(s), not"
                f" {entry!r:.60}"
            )

    return [tuple(entry) for entry in value]


def _paired_cell(name: str, value: Any) -> Cell:
    entries = read_entries(name, value, 2)
    if len(entries) % 2:
        raise InvalidFile(f"{name} has two entries a node, not {len(entries)} in all")
    edges = [Edge(*entry) for entry in entries]
    return tuple(tuple(edges[start : start + 2]) for start in range(0, len(edges), 2))


def _targeted_cell(name: str, value: Any) -> Cell:
    entries = read_entries(name, value, 3)
    count = len({target for _, _, target in entries})
    nodes: list[list[Edge]] = [[] for _ in range(count)]
    for position, (operation, source, target) in enumerate(entries):
        if not 0 <= target - _FIRST < count:
            raise InvalidFile(
                f"{name}[{position}]: node {target} is not one of {_FIRST} ... {_FIRST + count - 1}"
            )

        nodes[target - _FIRST].append(Edge(operation, source))

    return tuple(map(tuple, nodes))


def _check_concat(name: str, fields: dict[str, Any], nodes: int, required: bool) -> None:
    if name not in fields:
        if required:
            raise InvalidFile(f"the genotype lacks {name!r}")
        return
    if not isinstance(fields[name], list | tuple) or list(fields[name]) != _concat(nodes):
        raise InvalidFile(
            f"{name} must be {_concat(nodes)}, since cells concatenate all nodes, not"
            f" {fields[name]!r:.60}"
        )


def _concat(nodes: int) -> list[int]:
    return list(range(_FIRST, _FIRST + nodes))
