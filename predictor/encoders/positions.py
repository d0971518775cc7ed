"""Positions of nodes that carry more information than the graph."""

from __future__ import annotations

import numpy as np

from spaces.space import SearchSpace


def informative_positions(space: SearchSpace) -> int:
    """Return the number of positions that an encoder of the space's graphs distinguishes.

    Along a chain the same operation has other shapes and another effect at each position. The
    vertices of a cell that is repeated over the whole network have one shape, and their numbers are
    arbitrary: an encoder without positions gives isomorphic cells one score. Where an
    architecture has several cells (graphs with several outputs, as in DARTS), positions distinguish
    them.

    Returns:
        `space.positions`, or 0 where positions have no meaning.
    """
    if not space.repeats_cells:
        return space.positions

    # All graphs of the space have the same number of outputs, so that one sample is enough.
    graphs = space.graphs(space.sample(np.random.default_rng(0), 1))
    sources = set(graphs.edge_index[0].tolist())
    outputs = [
        node
        for node, label in enumerate(graphs.operation.tolist())
        if label and node not in sources
    ]

    return 0 if len(outputs) == 1 else space.positions
