"""Positions of the boxes and arrows of a sketch, in rows from the top or layers from the left.

Layers are those of Sugiyama et al. (IEEE Trans. SMC, 1981): longest paths, a lane where an arrow
passes a layer, and an order within each layer by the mean position of the neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from spaces.drawing.sketch import Sketch

Point: TypeAlias = tuple[float, float]

WIDTH = 1.55
"""Width of a box in inches."""
HEIGHT = 0.72
"""Height of a box in inches."""

GAP_X = 0.35
GAP_Y = 0.4
# Height of an arrow that passes a layer.
_LANE = 0.3

# Few sweeps are enough: the order settles after some of them.
_SWEEPS = 8


@dataclass(frozen=True)
class Layout:
    """Positions of boxes and arrows in inches.

    Args:
        spots: Centre of each box; y points upwards.
        routes: Points of each arrow, from the edge of a box to the edge of another.
    """

    spots: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]


def place(sketch: Sketch) -> Layout:
    """Place the boxes and arrows of a sketch."""
    return _rows(sketch) if sketch.rows else _layers(sketch)


def _rows(sketch: Sketch) -> Layout:
    counts = [0] * len(sketch.rows)
    spots: list[Point] = []
    for box in sketch.boxes:
        row = box.row or 0
        spots.append((counts[row] * (WIDTH + GAP_X), -row * (HEIGHT + GAP_Y)))
        counts[row] += 1

    return Layout(
        tuple(spots),
        tuple(_between_rows(spots[before], spots[after]) for before, after in sketch.arrows),
    )


def _between_rows(before: Point, after: Point) -> tuple[Point, ...]:
    if before[1] == after[1]:
        return (before[0] + WIDTH / 2, before[1]), (after[0] - WIDTH / 2, after[1])
    # From below a row's last box to above the next row's first, or upwards to a finer row.
    half = HEIGHT / 2 if before[1] > after[1] else -HEIGHT / 2
    start = (before[0], before[1] - half)
    end = (after[0], after[1] + half)
    middle = (start[1] + end[1]) / 2
    return start, (start[0], middle), (end[0], middle), end


def _layers(sketch: Sketch) -> Layout:
    """Place connected components below each other."""
    spots: list[Point] = [(0.0, 0.0)] * len(sketch.boxes)
    routes: dict[tuple[int, int], tuple[Point, ...]] = {}
    top = 0.0
    for component in _components(len(sketch.boxes), sketch.arrows):
        # Components are placed one by one: layers across them would mix unconnected boxes.
        arrows = [arrow for arrow in sketch.arrows if arrow[0] in component]
        layered = _LayeredComponent(sorted(component), arrows).place(top)
        top = layered.bottom - GAP_Y
        for box, spot in layered.spots.items():
            spots[box] = spot
        routes.update(layered.routes)

    return Layout(tuple(spots), tuple(routes[arrow] for arrow in sketch.arrows))


def _components(count: int, arrows: Iterable[tuple[int, int]]) -> list[set[int]]:
    component = {box: {box} for box in range(count)}
    for before, after in arrows:
        if component[before] is not component[after]:
            component[before] |= component[after]
            for box in component[before]:
                component[box] = component[before]
    return list({id(boxes): boxes for boxes in component.values()}.values())


@dataclass
class _LayeredComponent:
    """One connected component; items are boxes by number, and lanes of arrows by (arrow, layer)."""

    boxes: Sequence[int]
    arrows: Sequence[tuple[int, int]]
    spots: dict[int, Point] = field(default_factory=dict)
    routes: dict[tuple[int, int], tuple[Point, ...]] = field(default_factory=dict)
    bottom: float = 0.0

    def place(self, top: float) -> _LayeredComponent:
        """Place everything below `top`."""
        depth = self._depth()
        layers: list[list[object]] = [[] for _ in range(max(depth.values()) + 1)]
        for box in self.boxes:
            layers[depth[box]].append(box)

        # An arrow over several layers gets a lane in each, as in Sugiyama's method, so that no box
        # is crossed.
        chains: dict[tuple[int, int], list[object]] = {}
        for arrow in self.arrows:
            lanes: list[object] = [
                (arrow, layer) for layer in range(depth[arrow[0]] + 1, depth[arrow[1]])
            ]
            for layer, lane in enumerate(lanes, depth[arrow[0]] + 1):
                layers[layer].append(lane)
            chains[arrow] = [arrow[0], *lanes, arrow[1]]

        self._order(layers, chains)
        ys = self._heights(layers, top)
        self.spots = {box: (depth[box] * (WIDTH + 2 * GAP_X), ys[box]) for box in self.boxes}
        for arrow, chain in chains.items():
            self.routes[arrow] = tuple(self._route(chain, depth[arrow[0]], ys))

        return self

    def _depth(self) -> dict[int, int]:
        """Return the layer of each box: the longest path to it, moved towards its readers."""
        depth = dict.fromkeys(self.boxes, 0)

        # Arrows lead to later boxes, so that the depth of their start is final in this order.
        for before, after in sorted(self.arrows):
            depth[after] = max(depth[after], depth[before] + 1)
        entered = {after for _, after in self.arrows}
        for box in reversed(self.boxes):
            readers = [depth[after] - 1 for before, after in self.arrows if before == box]
            # Boxes without inputs stay in the first layer.
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

        rank = {item: float(index) for layer in layers for index, item in enumerate(layer)}

        # Barycentre sweeps, alternately by the neighbours to the left and to the right.
        for sweep in range(_SWEEPS):
            side = sweep % 2
            for layer in reversed(layers) if side else layers:
                means = {
                    item: _mean([rank[other] for other in neighbours[item][side]], rank[item])
                    for item in layer
                }
                layer.sort(key=lambda item: means[item])
                rank.update({item: float(index) for index, item in enumerate(layer)})

    def _heights(self, layers: list[list[object]], top: float) -> dict[object, float]:
        sizes = [
            [HEIGHT + GAP_Y if isinstance(item, int) else _LANE for item in layer]
            for layer in layers
        ]
        tallest = max(map(sum, sizes))
        ys: dict[object, float] = {}
        for layer, heights in zip(layers, sizes, strict=True):
            # Layers are centred on the tallest one.
            y = top - (tallest - sum(heights)) / 2
            for item, height in zip(layer, heights, strict=True):
                ys[item] = y - height / 2
                y -= height

        self.bottom = top - tallest
        return ys

    def _route(self, chain: list[object], first: int, ys: dict[object, float]) -> list[Point]:
        points: list[Point] = []
        for layer, item in enumerate(chain, first):
            x = layer * (WIDTH + 2 * GAP_X)
            y = ys[item]
            if item is not chain[0]:
                points.append((x - WIDTH / 2, y))
            if item is not chain[-1]:
                points.append((x + WIDTH / 2, y))
        return points


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default
