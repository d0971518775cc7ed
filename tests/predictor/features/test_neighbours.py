"""Operations near each other, counted edge by edge."""

from itertools import combinations

import numpy as np
import pytest

import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.neighbours import neighbours


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201", "darts-tiny"])
def test_rows_and_pairs_beside_each_other_are_those_of_graphs(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 6)
    labels = len(space.operations) + 1
    counts = np.expm1(neighbours(DenseGraphs.from_batch(space.graphs(codes)), labels - 1))
    ascending = zip(*np.triu_indices(labels), strict=True)
    upper = {pair: column for column, pair in enumerate(ascending)}
    for row, architecture in zip(counts, space.decode(codes), strict=True):
        graph = space.graph(architecture)
        label = graph.operation.tolist()
        edges = graph.edge_index.T.tolist()
        rows = np.zeros(labels**3)
        beside = np.zeros((2, len(upper)))
        for source, middle in edges:
            for begin, target in edges:
                if begin == middle:
                    rows[(label[source] * labels + label[middle]) * labels + label[target]] += 1
        for (source, target), (other, end) in combinations(edges, 2):
            if target == end:
                beside[0, upper[tuple(sorted((label[source], label[other])))]] += 1
            if source == other:
                beside[1, upper[tuple(sorted((label[target], label[end])))]] += 1
        np.testing.assert_allclose(row, np.concatenate([rows, beside.reshape(-1)]), atol=1e-4)
