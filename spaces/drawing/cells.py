"""What pictures of cells show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from spaces.cells import darts, nasbench101, nasbench201
from spaces.drawing.sketch import Box, Sketch


class _Drawn:
    """Boxes and arrows as they are added."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.arrows: list[tuple[int, int]] = []

    def add(self, box: Box, sources: Sequence[int]) -> int:
        """Add a box behind others; its number."""
        self.boxes.append(box)
        self.arrows += [(source, len(self.boxes) - 1) for source in sources]
        return len(self.boxes) - 1

    def sketch(self, title: str) -> Sketch:
        return Sketch(title, tuple(self.boxes), tuple(self.arrows))


def nasbench201_sketch(title: str, codes: NDArray[Any], channels: Sequence[int]) -> Sketch:
    """One cell: an operation between two nodes; those without any effect are said to have none.

    Args:
        title: over the picture.
        codes: of the cell, [6].
        channels: of the stages.
    """
    drawn, live = _Drawn(), nasbench201.live_edges(codes[None])[0]
    nodes = [drawn.add(Box("input", (f"{' / '.join(map(str, channels))} channels",)), [])]
    for target in (1, 2, 3):
        entering = []
        for index, (source, end) in enumerate(nasbench201.EDGES):
            name = nasbench201.OPERATIONS[int(codes[index])]
            if end == target and name != "none":
                details = () if live[index] else ("no effect",)
                entering.append(drawn.add(Box(_words(name), details, kind=name), [nodes[source]]))
        nodes.append(drawn.add(Box("output" if target == 3 else f"node {target}"), entering))
    return drawn.sketch(title)


def nasbench101_sketch(title: str, codes: NDArray[Any], channels: int) -> Sketch:
    """One module: its vertices with their channels in the first stack.

    Args:
        title: over the picture.
        codes: of the module, [26], in its one spelling.
        channels: of the first stack.
    """
    cells = nasbench101.Cells.from_codes(codes[None])
    drawn, widths = _Drawn(), cells.channels(channels)[0]
    number: dict[int, int] = {}
    for vertex in range(nasbench101.VERTICES):
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
        number[vertex] = drawn.add(box, sources)
    return drawn.sketch(title)


def darts_sketch(title: str, codes: NDArray[Any], channels: int) -> Sketch:
    """Both cells: operations between nodes; those on a reducing cell's inputs have stride 2.

    Args:
        title: over the picture.
        codes: [24].
        channels: of a node in the first cells.
    """
    drawn = _Drawn()
    for index, cell in enumerate(darts.CELLS):
        width = channels * (2 if index else 1)
        nodes = [
            drawn.add(Box(f"{cell} input", (f"the cell {ago} before",)), [])
            for ago in ("two", "one")
        ]
        for node in range(darts.NODES):
            pair, *operations = (int(codes[column]) for column in darts.columns(index, node))
            entering = []
            for source, code in zip(darts.INPUTS[node][pair], operations, strict=True):
                name = darts.OPERATIONS[code]
                details = ("stride 2",) if index and source < 2 else ()
                if name != "none":
                    entering.append(
                        drawn.add(Box(_words(name), details, kind=name), [nodes[source]])
                    )
            nodes.append(drawn.add(Box(f"node {node}", (f"{width} channels",)), entering))
        drawn.add(Box(f"{cell} output", (f"{darts.NODES * width} channels",)), nodes[2:])
    return drawn.sketch(title)


def _words(name: str) -> str:
    return name.removeprefix("nor_").replace("_", " ")
