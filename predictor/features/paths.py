"""Paths from the input of a graph to its outputs: what lies on them, all graphs at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.labels import Labels

_FAR = np.float32(1e6)
_MOST = 512  # sequences that are told apart


def statistics(graphs: DenseGraphs, labels: Labels) -> NDArray[np.float32]:
    """How many operations of each set a graph has, and its paths: float array [n, 5 sets + 6].

    For each set: operations in it; the most, the least and the mean on a path; paths that hold one.
    Behind these: the paths, their logarithm, whether there is none, operations that only pass,
    edges and nodes. Without a path most, least and mean are -1.
    """
    operation = graphs.operation.numpy()
    adjacency = _adjacency(graphs)
    weights = labels.weights(operation)
    count, nodes, sets = weights.shape
    start = graphs.is_input.numpy()
    most = np.where(start[:, :, None], np.float32(0), -_FAR) * np.ones(sets, dtype=np.float32)
    least = -most
    paths = start.astype(np.float32)
    total = np.zeros((count, nodes, sets), dtype=np.float32)
    without = paths[:, :, None] * np.ones(sets, dtype=np.float32)
    for target in range(nodes):
        for source in range(target):
            rows = np.flatnonzero(adjacency[:, source, target])
            if len(rows):
                most[rows, target] = np.maximum(most[rows, target], most[rows, source])
                least[rows, target] = np.minimum(least[rows, target], least[rows, source])
                paths[rows, target] += paths[rows, source]
                total[rows, target] += total[rows, source]
                without[rows, target] += without[rows, source]
        here = weights[:, target]
        most[:, target] += here
        least[:, target] += here
        total[:, target] += here * paths[:, target, None]
        without[:, target] *= here == 0
    ends = graphs.is_end.numpy()
    all_paths = np.where(ends, paths, 0).sum(1)
    none = all_paths == 0
    mean = np.where(ends[:, :, None], total, 0).sum(1) / np.maximum(all_paths, 1)[:, None]
    greatest = np.where(ends[:, :, None], most, -_FAR).max(1)
    smallest = np.where(ends[:, :, None], least, _FAR).min(1)
    for found in (greatest, smallest, mean):
        found[none] = -1
    holding = all_paths[:, None] - np.where(ends[:, :, None], without, 0).sum(1)
    passing = (operation > 0) & ~np.isin(operation, labels.solid) & adjacency.any(2)
    shape = [
        all_paths,
        np.log1p(all_paths),
        none,
        passing.sum(1),
        adjacency.sum((1, 2)),
        graphs.exists.numpy().sum(1),
    ]
    parts = [weights.sum(1), greatest, smallest, mean, holding, np.stack(shape, axis=1)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def sequences(graphs: DenseGraphs, labels: Labels) -> NDArray[np.float32]:
    """How many paths spell each sequence of operations, those that only pass left out: float array
    [n, sequences].

    Of longer paths the last operations count, as many as give at most 512 sequences (5 of three
    operations).
    """
    operation = graphs.operation.numpy()
    adjacency = _adjacency(graphs)
    kinds = len(labels.solid)
    length = _length(kinds)
    starts = np.cumsum([0, *(kinds**size for size in range(length + 1))])
    counts = np.zeros((*operation.shape, int(starts[-1])), dtype=np.float32)
    counts[:, :, 0] = graphs.is_input.numpy()
    digit = np.full(len(labels.member), -1)
    digit[list(labels.solid)] = np.arange(len(labels.solid))
    for target in range(operation.shape[1]):
        for source in range(target):
            rows = np.flatnonzero(adjacency[:, source, target])
            counts[rows, target] += counts[rows, source]
        appended = digit[operation[:, target]]
        for kind in range(kinds):
            rows = np.flatnonzero(appended == kind)
            if len(rows):
                counts[rows, target] = _append(counts[rows, target], kind, kinds, starts)
    found: NDArray[np.float32] = np.where(graphs.is_end.numpy()[:, :, None], counts, 0).sum(1)
    return found


def _length(kinds: int) -> int:
    length, size = 1, 1 + kinds
    while length < 8 and size + kinds ** (length + 1) <= _MOST:
        length += 1
        size += kinds**length
    return length


def _append(
    counts: NDArray[Any], kind: int, kinds: int, starts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Counts [n, sequences] after one more operation; the sequences of a length stand as numbers of
    base `kinds`.
    """
    found = np.zeros_like(counts)
    last = len(starts) - 2
    for size in range(last):
        found[:, starts[size + 1] + kind : starts[size + 2] : kinds] = counts[
            :, starts[size] : starts[size + 1]
        ]
    longest = counts[:, starts[last] :].reshape(len(counts), kinds, -1).sum(1)
    found[:, starts[last] + kind :: kinds] += longest
    return found


def _adjacency(graphs: DenseGraphs) -> NDArray[np.bool_]:
    """Return bool [n, nodes, nodes]: true for an edge from the second index to the third."""
    adjacency: NDArray[np.bool_] = graphs.incoming.numpy().transpose(0, 2, 1) > 0
    return adjacency
