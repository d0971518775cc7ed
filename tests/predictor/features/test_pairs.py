"""Pairs of operations, counted edge by edge."""

import numpy as np
import pytest

import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.pairs import pairs


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201", "darts"])
def test_pairs_are_the_edges_of_graphs(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 6)
    labels = len(space.operations) + 1
    counts = np.expm1(pairs(DenseGraphs.from_batch(space.graphs(codes)), labels - 1))
    assert counts.shape == (6, labels**2)
    for row, architecture in zip(counts, space.decode(codes), strict=True):
        graph = space.graph(architecture)
        expected = np.zeros(labels**2)
        for source, target in graph.edge_index.T.tolist():
            expected[int(graph.operation[source]) * labels + int(graph.operation[target])] += 1
        np.testing.assert_allclose(row, expected, atol=1e-5)
