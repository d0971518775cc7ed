"""Sketches of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from spaces.cells import nasbench101, nasbench201
from spaces.cells.darts_design import CELLS, NONE, CellDesign
from spaces.drawing.sketch import Box, Sketch


class SketchBuilder:
    """Boxes and arrows in the order in which they are added."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.arrows: list[tuple[int, int]] = []

    def add(self, box: Box, sources: Sequence[int]) -> int:
        """Add a box after its sources, and return its number."""
        self.boxes.append(box)
        self.arrows += [(source, len(self.boxes) - 1) for source in sources]
        return len(self.boxes) - 1

    def sketch(self, title: str) -> Sketch:
        return Sketch(title, tuple(self.boxes), tuple(self.arrows))


def nasbench201_sketch(title: str, codes: NDArray[Any], channels: Sequence[int]) -> Sketch:
    """Sketch one cell with a box for each operation; operations without effect are marked.

    Args:
        title: Title of the picture.
        codes: Codes of the cell, [6].
        channels: Channels of the stages.
    """
    builder = SketchBuilder()
    live = nasbench201.live_edges(codes[None])[0]
    nodes = [builder.add(Box("input", (f"{' / '.join(map(str, channels))} channels",)), [])]
    for target in (1, 2, 3):
        entering = []
        for index, (source, end) in enumerate(nasbench201.EDGES):
            name = nasbench201.OPERATIONS[int(codes[index])]

            # "none" carries no information, so that it has no box.
            if end == target and name != "none":
                details = () if live[index] else ("no effect",)
                entering.append(
                    builder.add(
                        Box(
                            _words(name),
                            details,
                            kind=name,
                            decision=f"edge_{source}_{target}",
                            edge=(f"node_{target}_edges", str(source)),
                        ),
                        [nodes[source]],
                    )
                )

        nodes.append(builder.add(Box("output" if target == 3 else f"node {target}"), entering))

    return builder.sketch(title)


def nasbench101_sketch(title: str, codes: NDArray[Any], channels: int) -> Sketch:
    """Sketch one module: its vertices with their channels in the first stack.

    Args:
        title: Title of the picture.
        codes: Canonical codes of the module, [26].
        channels: Channels of the first stack.
    """
    cells = nasbench101.Cells.from_codes(codes[None])
    builder = SketchBuilder()
    widths = cells.channels(channels)[0]
    number: dict[int, int] = {}
    for vertex in range(nasbench101.VERTICES):
        # Vertices that no path connects with input and output are not computed.
        if not cells.live[0, vertex]:
            continue

        sources = [number[source] for source in range(vertex) if cells.adjacency[0, source, vertex]]
        if vertex == 0:
            box = Box("input")
        elif vertex == nasbench101.VERTICES - 1:
            box = Box("output", (f"{channels} channels",))
        else:
            name = nasbench101.OPERATIONS[int(cells.operations[0, vertex - 1])]
            box = Box(name.partition("-")[0], (f"{widths[vertex]} channels",), kind=name)

        number[vertex] = builder.add(box, sources)

    return builder.sketch(title)


def darts_sketch(title: str, codes: NDArray[Any], design: CellDesign, channels: int) -> Sketch:
    """Sketch both cells; operations on a reduction cell's inputs have stride 2.

    Args:
        title: Title of the picture.
        codes: Codes of both cells, [choices].
        design: Operations and nodes of the cells.
        channels: Channels of a node in the first cells.
    """
    builder = SketchBuilder()
    for index, cell in enumerate(CELLS):
        width = channels * (2 if index else 1)
        nodes = [
            builder.add(Box(f"{cell} input", (f"the cell {ago} before",)), [])
            for ago in ("two", "one")
        ]
        for node in range(design.nodes):
            selected, *operations = (int(codes[column]) for column in design.columns(index, node))
            entering = []
            for source, code in zip(design.sources[node][selected], operations, strict=True):
                name = design.operations[code]

                # Sources 0 and 1 are the two cells before; only their values are larger.
                details = ("stride 2",) if index and source < 2 else ()
                if name != NONE:
                    entering.append(
                        builder.add(
                            Box(
                                _words(name),
                                details,
                                kind=name,
                                decision=f"{cell}_{node}_{source}",
                                edge=(f"{cell}_{node}_edges", str(source)),
                            ),
                            [nodes[source]],
                        )
                    )

            nodes.append(builder.add(Box(f"node {node}", (f"{width} channels",)), entering))

        builder.add(Box(f"{cell} output", (f"{design.nodes * width} channels",)), nodes[2:])

    return builder.sketch(title)


def _words(name: str) -> str:
    return name.removeprefix("nor_").replace("_", " ")
