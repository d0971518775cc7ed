"""Features of the paths from the input of graphs to their outputs, for all graphs at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.labels import Labels

# Beyond every count of operations on a path.
_FAR = np.float32(1e6)
# Greatest number of sequences that are counted, and their greatest length.
_MAX_SEQUENCES = 512
_MAX_LENGTH = 8


def statistics(graphs: DenseGraphs, labels: Labels) -> NDArray[np.float32]:
    """Count the operations of each set in graphs and on their paths.

    For each set: its operations in the graph; the greatest, the least and the mean number on a
    path, -1 without a path; the number of paths that contain one. After these: the number of paths,
    its logarithm, whether there is none, and the numbers of operations that only pass their input
    on, of edges and of nodes.

    Args:
        graphs: n graphs in topological order.
        labels: Sets of operations.

    Returns:
        Float array [n, 5 sets + 6].
    """
    operation = graphs.operation.numpy()
    adjacency = _adjacency(graphs)
    weights = labels.weights(operation)
    sums = _sum_over_paths(graphs.is_input.numpy(), adjacency, weights)

    # Of all paths from the input to an output.
    is_end = graphs.is_end.numpy()
    ends = is_end[:, :, None]
    num_paths = np.where(is_end, sums.paths, 0).sum(1)
    has_none = num_paths == 0
    mean_on_path = np.where(ends, sums.total, 0).sum(1) / np.maximum(num_paths, 1)[:, None]
    greatest_on_path = np.where(ends, sums.greatest, -_FAR).max(1)
    least_on_path = np.where(ends, sums.least, _FAR).min(1)
    for values in (greatest_on_path, least_on_path, mean_on_path):
        values[has_none] = -1
    containing = num_paths[:, None] - np.where(ends, sums.without, 0).sum(1)

    is_passing = (operation > 0) & ~np.isin(operation, labels.solid) & adjacency.any(2)
    sizes = [
        num_paths,
        np.log1p(num_paths),
        has_none,
        is_passing.sum(1),
        adjacency.sum((1, 2)),
        graphs.exists.numpy().sum(1),
    ]

    columns = [
        weights.sum(1),
        greatest_on_path,
        least_on_path,
        mean_on_path,
        containing,
        np.stack(sizes, axis=1),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


class _PathSums(NamedTuple):
    """Figures of all paths from the input of each graph to each of its nodes.

    Args:
        paths: Number of paths, [n, nodes].
        greatest: Greatest number of a set's operations on a path, [n, nodes, sets].
        least: Least number of a set's operations on a path, [n, nodes, sets].
        total: Sum over paths of the number of a set's operations, [n, nodes, sets].
        without: Number of paths without an operation of a set, [n, nodes, sets].
    """

    paths: NDArray[np.float32]
    greatest: NDArray[np.float32]
    least: NDArray[np.float32]
    total: NDArray[np.float32]
    without: NDArray[np.float32]


def _sum_over_paths(
    is_input: NDArray[np.bool_], adjacency: NDArray[np.bool_], weights: NDArray[np.float32]
) -> _PathSums:
    """Follow all paths from the input, node by node in topological order.

    Args:
        is_input: Whether a node is the input, [n, nodes].
        adjacency: Whether an edge leads from the second index to the third, [n, nodes, nodes].
        weights: Weight of each node in each set, [n, nodes, sets].
    """
    count, nodes, sets = weights.shape
    ones = np.ones(sets, dtype=np.float32)
    greatest = np.where(is_input[:, :, None], np.float32(0), -_FAR) * ones
    least = -greatest
    paths = is_input.astype(np.float32)
    total = np.zeros((count, nodes, sets), dtype=np.float32)
    without = paths[:, :, None] * ones

    # In topological order the values of all predecessors are final.
    for target in range(nodes):
        for source in range(target):
            rows = np.flatnonzero(adjacency[:, source, target])
            if len(rows):
                greatest[rows, target] = np.maximum(greatest[rows, target], greatest[rows, source])
                least[rows, target] = np.minimum(least[rows, target], least[rows, source])
                paths[rows, target] += paths[rows, source]
                total[rows, target] += total[rows, source]
                without[rows, target] += without[rows, source]

        node_weights = weights[:, target]
        greatest[:, target] += node_weights
        least[:, target] += node_weights
        total[:, target] += node_weights * paths[:, target, None]
        without[:, target] *= node_weights == 0
    return _PathSums(paths, greatest, least, total, without)


def sequences(graphs: DenseGraphs, labels: Labels) -> NDArray[np.float32]:
    """Count the paths that spell each sequence of operations.

    Operations that return their input are left out. Of longer paths the last operations count, as
    many as give at most 512 sequences (5 of three operations).

    Args:
        graphs: n graphs in topological order.
        labels: Sets of operations.

    Returns:
        Float array [n, sequences], ordered by length and then as numbers whose digits are the
        operations.
    """
    operation = graphs.operation.numpy()
    adjacency = _adjacency(graphs)
    num_digits = len(labels.solid)
    length = _sequence_length(num_digits)

    # Column of the first sequence of each length.
    starts = np.cumsum([0, *(num_digits**size for size in range(length + 1))])

    # Of all paths from the input to each node; the input's is the empty sequence.
    counts = np.zeros((*operation.shape, int(starts[-1])), dtype=np.float32)
    counts[:, :, 0] = graphs.is_input.numpy()
    digit_of = np.full(len(labels.member), -1)
    digit_of[list(labels.solid)] = np.arange(num_digits)
    for target in range(operation.shape[1]):
        for source in range(target):
            rows = np.flatnonzero(adjacency[:, source, target])
            counts[rows, target] += counts[rows, source]
        target_digits = digit_of[operation[:, target]]
        for digit in range(num_digits):
            rows = np.flatnonzero(target_digits == digit)
            if len(rows):
                counts[rows, target] = _append(counts[rows, target], digit, num_digits, starts)

    ends = graphs.is_end.numpy()[:, :, None]
    features: NDArray[np.float32] = np.where(ends, counts, 0).sum(1)
    return features


def _sequence_length(num_digits: int) -> int:
    """Return the length of the longest sequences that are counted."""
    length = 1
    num_sequences = 1 + num_digits
    while length < _MAX_LENGTH and num_sequences + num_digits ** (length + 1) <= _MAX_SEQUENCES:
        length += 1
        num_sequences += num_digits**length
    return length


def _append(
    counts: NDArray[Any], digit: int, num_digits: int, starts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return counts [n, sequences] after the operation `digit` is appended to all sequences."""
    appended = np.zeros_like(counts)
    longest = len(starts) - 2

    # A sequence is a number of base `num_digits`: appending multiplies it and adds the digit.
    for size in range(longest):
        columns = slice(starts[size + 1] + digit, starts[size + 2], num_digits)
        appended[:, columns] = counts[:, starts[size] : starts[size + 1]]

    # The longest sequences lose their first operation.
    shortened = counts[:, starts[longest] :].reshape(len(counts), num_digits, -1).sum(1)
    appended[:, starts[longest] + digit :: num_digits] += shortened
    return appended


def _adjacency(graphs: DenseGraphs) -> NDArray[np.bool_]:
    """Return bool [n, nodes, nodes]: true for an edge from the second index to the third."""
    adjacency: NDArray[np.bool_] = graphs.incoming.numpy().transpose(0, 2, 1) > 0
    return adjacency
