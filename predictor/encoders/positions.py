"""Whether the positions of nodes tell what a graph does not."""

from __future__ import annotations

import numpy as np

from spaces.space import SearchSpace


def telling_positions(space: SearchSpace) -> int:
    """How many positions an encoder of the space's graphs is to tell apart; 0 where they mean
    nothing.

    Along a chain the same operation has other shapes and another worth at each position. Vertices
    of a cell that is repeated over the whole network have one shape, and their numbers are a matter
    of spelling: an encoder that does not see them gives isomorphic cells one score. Several cells
    of one architecture (graphs with several outputs, as of DARTS) are told apart by positions
    again.
    """
    if not space.repeats_cells:
        return space.positions
    graphs = space.graphs(space.sample(np.random.default_rng(0), 1))
    sources = set(graphs.edge_index[0].tolist())
    ends = [
        node
        for node, label in enumerate(graphs.operation.tolist())
        if label and node not in sources
    ]
    return 0 if len(ends) == 1 else space.positions
