"""Which operations are near each other in cells: in a row of three, and beside each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from predictor.encoders.dense_graphs import DenseGraphs


def neighbours(graphs: DenseGraphs, num_operations: int) -> NDArray[np.float32]:
    """Count rows of three operations, and two that share a reader or a source, as logarithms.

    Like `predictor.features.pairs` they do not depend on the numbers of the nodes. Pairs tell which
    operation follows which; these tell what happens around each of them.

    Args:
        graphs: n graphs.
        num_operations: Number of operations of the space, the output among them.

    Returns:
        Float array [n, labels^3 + labels (labels + 1)]; the input is the first of
        labels = operations + 1. Three operations in a row are first, a to b to c in the column
        (a labels + b) labels + c. Then two nodes that one node reads, and two that read one node,
        each by the labels of both in ascending order.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from predictor.encoders.dense_graphs import DenseGraphs
        >>> from predictor.features.neighbours import neighbours
        >>> space = spaces.get("nasbench101")
        >>> codes = space.sample(np.random.default_rng(0), 4)
        >>> neighbours(DenseGraphs.from_batch(space.graphs(codes)), len(space.operations)).shape
        (4, 155)
    """
    members = graphs.members(num_operations + 1).numpy()
    incoming = graphs.incoming.numpy()

    # Of each node, by label: the nodes that it reads, and those that read it, [n, nodes, labels].
    sources = incoming @ members
    readers = incoming.transpose(0, 2, 1) @ members

    count, nodes, labels = members.shape
    around = (sources[:, :, :, None] * readers[:, :, None, :]).reshape(count, nodes, -1)
    rows = members.transpose(0, 2, 1) @ around
    by_first = rows.reshape(count, labels, labels, labels).transpose(0, 2, 1, 3)
    columns = [by_first.reshape(count, -1), _beside(sources), _beside(readers)]
    return np.asarray(np.log1p(np.concatenate(columns, axis=1)), dtype=np.float32)


def _beside(near: NDArray[np.float32]) -> NDArray[np.float32]:
    """Count pairs of different nodes near a third one.

    Args:
        near: Number of nodes near each node by label, [n, nodes, labels].

    Returns:
        Float array [n, labels (labels + 1) / 2].
    """
    products = near.transpose(0, 2, 1) @ near

    # A node is no pair with itself, and two of one label are counted once.
    labels = np.arange(near.shape[2])
    own = near.sum(1)
    products[:, labels, labels] = (products[:, labels, labels] - own) / 2
    first, second = np.triu_indices(len(labels))
    return products[:, first, second]
