"""Strings of NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv 2001.00326; nas_201_api).

`|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|`:
nodes 1, 2 and 3 separated by `+`, each with `operation~source` for all nodes before it.
"""

from __future__ import annotations

from collections.abc import Mapping

from spaces.architecture import Architecture
from spaces.cells.nasbench201 import EDGES, OPERATIONS
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.formats.format import Source
from spaces.registry import get


class NasBench201:
    """Cells as the API of NAS-Bench-201 writes them."""

    def detects(self, text: str, value: object) -> bool:
        return text.startswith("|") and "~" in text

    def read(self, source: Source) -> Architecture:
        operations = parse_cell(source.text)
        space = source.space or get("nasbench201")
        return space.architecture({edge_key(*edge): name for edge, name in operations.items()})

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        choices = architecture.choices
        if choices.keys() != {edge_key(*edge) for edge in EDGES}:
            raise InvalidArchitecture(
                f"strings of NAS-Bench-201 are for its cells, not for {space.name}"
            )
        return format_cell({edge: choices[edge_key(*edge)] for edge in EDGES})


def edge_key(source: int, target: int) -> str:
    """Return the key of an edge's choice."""
    return f"edge_{source}_{target}"


def parse_cell(text: str) -> dict[tuple[int, int], str]:
    """Return the operation of every edge (source, target), in the order of the string.

    Raises:
        InvalidFile: The string is cut, or an edge is missing, misplaced or unknown; node and edge
            are named.
    """
    nodes = text.strip().split("+")
    if len(nodes) != 3:
        raise InvalidFile(
            f"a cell of NAS-Bench-201 has 3 nodes separated by '+', not {len(nodes)}: {text!r:.60}"
        )

    operations: dict[tuple[int, int], str] = {}
    for target, node in enumerate(nodes, 1):
        if len(node) < 2 or not (node.startswith("|") and node.endswith("|")):
            raise InvalidFile(f"node {target} must be between '|', not {node!r:.60}")

        edges = node[1:-1].split("|")
        if len(edges) != target:
            raise InvalidFile(f"node {target} has {target} edges, not {len(edges)}: {node!r:.60}")

        # Each edge states its source as a check of its position.
        for source, edge in enumerate(edges):
            operation, _, origin = edge.partition("~")
            if origin != str(source):
                raise InvalidFile(
                    f"node {target}: edge {source + 1} must end in '~{source}', not {edge!r:.60}"
                )
            if operation not in OPERATIONS:
                raise InvalidFile(
                    f"edge {source} -> {target}: unknown operation {operation!r:.60}; the"
                    f" operations are: {', '.join(OPERATIONS)}"
                )
            operations[source, target] = operation

    return operations


def format_cell(operations: Mapping[tuple[int, int], str]) -> str:
    """Return the string of a cell from the operation of every edge (source, target)."""
    nodes = (
        "".join(f"{operations[s, target]}~{s}|" for s in range(target)) for target in (1, 2, 3)
    )
    return "+".join(f"|{node}" for node in nodes)
