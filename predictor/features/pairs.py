"""Pairs of operations that an edge connects, which need no numbers of the nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from predictor.encoders.dense_graphs import DenseGraphs


def pairs(graphs: DenseGraphs, num_operations: int) -> NDArray[np.float32]:
    """Count the edges between each two operations, as logarithms.

    Codes number the vertices of a cell, and two cells that differ in the numbers alone have
    different codes. Which operation follows which is the same in both.

    Args:
        graphs: n graphs.
        num_operations: Number of operations of the space, the output among them.

    Returns:
        Float array [n, (operations + 1)^2]; the input is the first of operations + 1 labels, and
        the column of an edge from label a to label b is a (operations + 1) + b.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from predictor.encoders.dense_graphs import DenseGraphs
        >>> from predictor.features.pairs import pairs
        >>> space = spaces.get("nasbench101")
        >>> graphs = DenseGraphs.from_batch(space.graphs([[*[0] * 5, 1, *[0] * 20]]))
        >>> np.flatnonzero(pairs(graphs, len(space.operations))[0])  # the input to the output
        array([4])
    """
    members = graphs.members(num_operations + 1).numpy()
    edges = graphs.incoming.numpy()

    # Two small products: one einsum over four indices takes many times longer.
    counts = members.transpose(0, 2, 1) @ (edges.transpose(0, 2, 1) @ members)
    return np.asarray(np.log1p(counts.reshape(len(counts), -1)), dtype=np.float32)
