"""Where boxes and arrows of a sketch stand: rows one under the other, or layers from left to right.

Layers are those of Sugiyama et al. (IEEE Trans. SMC, 1981): longest paths, places kept free where
an arrow passes a layer, and an order within each layer by the mean place of the neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from spaces.drawing.sketch import Sketch

Point: TypeAlias = tuple[float, float]

WIDTH, HEIGHT = 1.55, 0.72
"""Of a box, in inches."""

GAP_X, GAP_Y = 0.35, 0.4
_LANE = 0.3  # height that an arrow takes where it passes a layer
_SWEEPS = 8


@dataclass(frozen=True)
class Layout:
    """Places.

    Args:
        spots: the centre of each box; y upwards.
        routes: for each arrow the points that it leads through, from the edge of a box to the edge
            of another.
    """

    spots: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]


def place(sketch: Sketch) -> Layout:
    """The places of a sketch's boxes and arrows."""
    return _rows(sketch) if sketch.rows else _layers(sketch)


def _rows(sketch: Sketch) -> Layout:
    taken = [0] * len(sketch.rows)
    spots: list[Point] = []
    for box in sketch.boxes:
        row = box.row or 0
        spots.append((taken[row] * (WIDTH + GAP_X), -row * (HEIGHT + GAP_Y)))
        taken[row] += 1
    return Layout(
        tuple(spots),
        tuple(_between_rows(spots[before], spots[after]) for before, after in sketch.arrows),
    )


def _between_rows(before: Point, after: Point) -> tuple[Point, ...]:
    if before[1] == after[1]:
        return (before[0] + WIDTH / 2, before[1]), (after[0] - WIDTH / 2, after[1])
    # From below a row's last box to above the next row's first.
    start, end = (before[0], before[1] - HEIGHT / 2), (after[0], after[1] + HEIGHT / 2)
    middle = (start[1] + end[1]) / 2
    return start, (start[0], middle), (end[0], middle), end


def _layers(sketch: Sketch) -> Layout:
    """Parts that nothing connects stand under each other."""
    spots: list[Point] = [(0.0, 0.0)] * len(sketch.boxes)
    routes: dict[tuple[int, int], tuple[Point, ...]] = {}
    top = 0.0
    for part in _parts(len(sketch.boxes), sketch.arrows):
        arrows = [arrow for arrow in sketch.arrows if arrow[0] in part]
        found = _Layered(sorted(part), arrows).place(top)
        top = found.bottom - GAP_Y
        for box, spot in found.spots.items():
            spots[box] = spot
        routes.update(found.routes)
    return Layout(tuple(spots), tuple(routes[arrow] for arrow in sketch.arrows))


def _parts(count: int, arrows: Iterable[tuple[int, int]]) -> list[set[int]]:
    part = {box: {box} for box in range(count)}
    for before, after in arrows:
        if part[before] is not part[after]:
            part[before] |= part[after]
            for box in part[before]:
                part[box] = part[before]
    return list({id(boxes): boxes for boxes in part.values()}.values())


@dataclass
class _Layered:
    """One connected part; boxes are known by number, lanes of arrows by (arrow, layer)."""

    boxes: Sequence[int]
    arrows: Sequence[tuple[int, int]]
    spots: dict[int, Point] = field(default_factory=dict)
    routes: dict[tuple[int, int], tuple[Point, ...]] = field(default_factory=dict)
    bottom: float = 0.0

    def place(self, top: float) -> _Layered:
        """Place everything below `top`."""
        depth = self._depth()
        layers: list[list[object]] = [[] for _ in range(max(depth.values()) + 1)]
        for box in self.boxes:
            layers[depth[box]].append(box)
        chains: dict[tuple[int, int], list[object]] = {}
        for arrow in self.arrows:
            lanes: list[object] = [
                (arrow, layer) for layer in range(depth[arrow[0]] + 1, depth[arrow[1]])
            ]
            for layer, lane in enumerate(lanes, depth[arrow[0]] + 1):
                layers[layer].append(lane)
            chains[arrow] = [arrow[0], *lanes, arrow[1]]
        self._order(layers, chains)
        where = self._heights(layers, top)
        self.spots = {box: (depth[box] * (WIDTH + 2 * GAP_X), where[box]) for box in self.boxes}
        for arrow, chain in chains.items():
            self.routes[arrow] = tuple(self._route(chain, depth[arrow[0]], where))
        return self

    def _depth(self) -> dict[int, int]:
        """Layers by longest paths; then boxes stand as late as what reads them allows, but for
        those without input.
        """
        depth = dict.fromkeys(self.boxes, 0)
        for before, after in sorted(self.arrows):  # arrows lead to later boxes
            depth[after] = max(depth[after], depth[before] + 1)
        entered = {after for _, after in self.arrows}
        for box in reversed(self.boxes):
            readers = [depth[after] - 1 for before, after in self.arrows if before == box]
            if readers and box in entered:
                depth[box] = max(depth[box], min(readers))
        return depth

    def _order(
        self, layers: list[list[object]], chains: dict[tuple[int, int], list[object]]
    ) -> None:
        neighbours: dict[object, tuple[list[object], list[object]]] = {
            item: ([], []) for layer in layers for item in layer
        }
        for chain in chains.values():
            for before, after in itertools.pairwise(chain):
                neighbours[after][0].append(before)
                neighbours[before][1].append(after)
        rank = {item: float(place) for layer in layers for place, item in enumerate(layer)}
        for sweep in range(_SWEEPS):
            side = sweep % 2
            for layer in reversed(layers) if side else layers:
                means = {
                    item: _mean([rank[other] for other in neighbours[item][side]], rank[item])
                    for item in layer
                }
                layer.sort(key=lambda item: means[item])
                rank.update({item: float(place) for place, item in enumerate(layer)})

    def _heights(self, layers: list[list[object]], top: float) -> dict[object, float]:
        sizes = [
            [HEIGHT + GAP_Y if isinstance(item, int) else _LANE for item in layer]
            for layer in layers
        ]
        tallest = max(map(sum, sizes))
        where: dict[object, float] = {}
        for layer, heights in zip(layers, sizes, strict=True):
            y = top - (tallest - sum(heights)) / 2
            for item, height in zip(layer, heights, strict=True):
                where[item] = y - height / 2
                y -= height
        self.bottom = top - tallest
        return where

    def _route(self, chain: list[object], first: int, where: dict[object, float]) -> list[Point]:
        points: list[Point] = []
        for layer, item in enumerate(chain, first):
            x, y = layer * (WIDTH + 2 * GAP_X), where[item]
            if item is not chain[0]:
                points.append((x - WIDTH / 2, y))
            if item is not chain[-1]:
                points.append((x + WIDTH / 2, y))
        return points


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default
