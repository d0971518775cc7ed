"""Graphs of a user's model: nodes are executed mutables, edges are the flow of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spaces.architecture import Architecture
from spaces.drawing.sketch import Box, Sketch
from spaces.graphs.graph import dense_graphs
from spaces.space import Codes
from spaces.user_model.conditions import holds

if TYPE_CHECKING:
    from torch_geometric.data import Batch

    from spaces.user_model.space import ModelSpace


def model_graphs(space: ModelSpace, codes: Codes) -> Batch:
    """Return the graphs of architectures; see `ModelSpace.graphs`.

    Args:
        space: Space of the architectures.
        codes: Codes [n, choices].
    """
    places = space.places
    num_nodes = len(places) + 1
    label = {name: index + 1 for index, name in enumerate(space.operations)}
    labels = [np.array([label[name] for name in choice.candidates]) for choice in space.choices]

    # Node 0 is the input; a mutable that is not executed has the operation -1.
    operation = np.full((len(codes), num_nodes), -1, dtype=np.int64)
    operation[:, 0] = 0
    adjacency = np.zeros((len(codes), num_nodes, num_nodes), dtype=bool)
    for rows, site, sources in _edges(space, codes):
        column = places[site].column
        operation[rows, site + 1] = labels[column][codes[rows, column]]
        for source in sources:
            adjacency[rows, source, site + 1] = True

    position = np.array([0, *(placement.column + 1 for placement in places)])
    return dense_graphs(operation, position, adjacency)


def model_sketch(space: ModelSpace, architecture: Architecture) -> Sketch:
    """Return the picture of an architecture: executed choices, and the flow between them."""
    codes = space.encode([architecture])[0]
    edges = space.trace(codes).edges
    number = {0: 0, **{site + 1: index for index, site in enumerate(edges, 1)}}

    executed = [space.choices[space.places[site].column] for site in edges]
    names = [choice.candidates[choice.code(architecture[choice.key])] for choice in executed]
    boxes = [
        Box(name, (choice.key,), kind=name) for choice, name in zip(executed, names, strict=True)
    ]

    arrows = [
        (number[source], number[site + 1]) for site, sources in edges.items() for source in sources
    ]
    # A mutable that is called twice may lead back; layers need arrows to later boxes.
    forward = tuple(sorted(arrow for arrow in arrows if arrow[0] < arrow[1]))
    return Sketch(space.name, (Box("input"), *boxes), forward)


def _edges(space: ModelSpace, codes: Codes) -> list[tuple[Any, int, frozenset[int]]]:
    """Return rows, the mutable that they execute, and the nodes that its output comes from."""
    factors = space.factors
    if factors is None or factors.edges is None:
        traces = [space.trace(row) for row in codes]
        return [(row, *edge) for row, trace in enumerate(traces) for edge in trace.edges.items()]

    edges: list[tuple[Any, int, frozenset[int]]] = []
    for (site, code), sources in factors.edges.items():
        mutable = factors.places[site]
        is_executed = holds(mutable.chains, codes) & (codes[:, mutable.column] == code)
        edges.append((np.flatnonzero(is_executed), site, sources))
    return edges
