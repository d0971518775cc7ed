"""Sketches of densely joined cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from spaces.cells.darts_design import NODES
from spaces.cells.dense import EDGES, NONE, OPERATIONS
from spaces.drawing.cells import SketchBuilder
from spaces.drawing.sketch import Box, Sketch


def dense_cells_sketch(title: str, topologies: Mapping[str, NDArray[Any]]) -> Sketch:
    """Sketch each topology with a box for each operation.

    Args:
        title: Title of the picture.
        topologies: Name -> operation of each edge, int array [edges].
    """
    builder = SketchBuilder()
    for topology, codes in topologies.items():
        label = topology.replace("_", " ")
        nodes = [
            builder.add(Box(f"{label} input", (f"the cell {ago} before",)), [])
            for ago in ("two", "one")
        ]
        for node in range(2, 2 + NODES):
            entering = []
            for (source, target), code in zip(EDGES, codes, strict=True):
                name = OPERATIONS[int(code)]

                # "none" carries no information, so that it has no box.
                if target == node and name != NONE:
                    box = Box(name.replace("_", " "), kind=name)
                    entering.append(builder.add(box, [nodes[source]]))
            nodes.append(builder.add(Box(f"node {node - 2}"), entering))
        builder.add(Box(f"{label} output"), nodes[2:])
    return builder.sketch(title)
