"""Genotypes of densely joined cells, as aw_nas prints them (walkerning/aw_nas, `dense_rob`).

`DenseRobGenotype(normal_0='init_node~2+|sep_conv_3x3~0|none~1|+|...|', ..., reduce_2='...')`: a
text for each topology, its nodes separated by `+`, each with `operation~source` for all nodes
before it.
"""

from __future__ import annotations

import ast
import re

from spaces.architecture import Architecture
from spaces.cells.dense import EDGES, OPERATIONS, RESIDUAL, edge_key
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.formats.format import Source
from spaces.registry import get

_NAME = "DenseRobGenotype"
_BEGIN = re.compile(rf"\A\s*(\w{{1,40}}\s*=\s*)?{_NAME}\s*\(")

_INPUTS = 2
_NODES = sorted({node for _, node in EDGES})

# Name here -> name in aw_nas, where they differ.
_THEIRS = {RESIDUAL: "ResSepConv"}
_OURS = {_THEIRS.get(name, name): name for name in OPERATIONS}


class AwNasDense:
    """Genotypes of aw_nas's space `dense_rob`.

    Where no space is named it is `dense-cells`, with a topology for each cell or for each stage.
    """

    def detects(self, text: str, value: object) -> bool:
        return bool(_BEGIN.match(text))

    def read(self, source: Source) -> Architecture:
        cells = {name: _read_cell(name, text) for name, text in _fields(source.text).items()}
        space = source.space or _space_of(cells)
        return space.architecture(
            {
                edge_key(name, *edge): operation
                for name, operations in cells.items()
                for edge, operation in operations.items()
            }
        )

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        choices = dict(architecture.choices)
        cells = []
        for name in _topologies(choices):
            keys = [edge_key(name, *edge) for edge in EDGES]
            if not set(keys) <= choices.keys():
                break
            operations = {edge: choices.pop(edge_key(name, *edge)) for edge in EDGES}
            cells.append(f"{name}={_cell_text(operations)!r}")

        if choices or not cells:
            raise InvalidArchitecture(
                f"genotypes of densely joined cells are for dense-cells, not for {space.name}"
            )
        return f"{_NAME}({', '.join(cells)})"


def _topologies(choices: dict[str, str]) -> list[str]:
    """Return the names of the topologies of choices, in their order."""
    return list(dict.fromkeys(key.partition("_edge_")[0] for key in choices))


def _space_of(cells: dict[str, dict[tuple[int, int], str]]) -> ChoiceSpace:
    """Return the space with these topologies; raises InvalidFile where there is none."""
    candidates = [get("dense-cells"), get("dense-cells", topologies="stages")]
    for space in candidates:
        if _topologies({choice.key: "" for choice in space.choices}) == list(cells):
            return space
    raise InvalidFile(
        f"no space of dense-cells has the cells {', '.join(cells)}; name the space with --space"
    )


def _fields(text: str) -> dict[str, str]:
    """Return the text of each topology by its name."""
    fault = InvalidFile(f"not a genotype such as {_NAME}(normal_0='init_node~2+...'): {text!r:.60}")
    # Without a name that the text is assigned to.
    _, name, arguments = text.partition(_NAME)
    try:
        call = ast.parse(name + arguments, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise fault from error

    if not isinstance(call, ast.Call) or call.args:
        raise fault
    fields: dict[str, str] = {}
    for keyword in call.keywords:
        value = keyword.value
        if keyword.arg is None or not isinstance(value, ast.Constant):
            raise fault
        if not isinstance(value.value, str):
            raise InvalidFile(f"{keyword.arg} must be a text, not {value.value!r:.60}")
        fields[keyword.arg] = value.value
    return fields


def _read_cell(name: str, text: str) -> dict[tuple[int, int], str]:
    """Return the operation of every edge (source, node) of a topology."""
    begin, *nodes = text.strip().split("+")
    if begin != f"init_node~{_INPUTS}" or len(nodes) != len(_NODES):
        raise InvalidFile(
            f"{name} must be init_node~{_INPUTS} and {len(_NODES)} nodes, separated by '+', not"
            f" {text!r:.60}"
        )

    operations: dict[tuple[int, int], str] = {}
    for node, entries in zip(_NODES, nodes, strict=True):
        edges = entries.strip("|").split("|")
        if len(edges) != node:
            raise InvalidFile(f"{name}, node {node}: {node} edges are needed, not {entries!r:.60}")
        for source, edge in enumerate(edges):
            operation, _, origin = edge.partition("~")
            if origin != str(source):
                raise InvalidFile(
                    f"{name}, node {node}: edge {source + 1} must end in '~{source}', not"
                    f" {edge!r:.60}"
                )
            if operation not in _OURS:
                raise InvalidFile(
                    f"{name}, node {node}: unknown operation {operation!r:.60}; the operations"
                    f" are: {', '.join(_OURS)}"
                )
            operations[source, node] = _OURS[operation]
    return operations


def _cell_text(operations: dict[tuple[int, int], str]) -> str:
    """Return the text of a topology from the operation of every edge (source, node)."""
    nodes = []
    for node in _NODES:
        entries = (operations[source, node] for source in range(node))
        edges = [f"{_THEIRS.get(name, name)}~{source}" for source, name in enumerate(entries)]
        nodes.append(f"|{'|'.join(edges)}|")
    return "+".join([f"init_node~{_INPUTS}", *nodes])
