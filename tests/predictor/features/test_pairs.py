"""Pairs of operations: counted edge by edge, and equal for cells that differ in numbers alone."""

import numpy as np
import pytest

import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.groups import FeatureSet, groups
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


def test_numbers_of_vertices_do_not_matter() -> None:
    """Two parallel vertices, and the same cell with their numbers exchanged."""
    space = spaces.get("nasbench101")
    first, second = "conv3x3-bn-relu", "maxpool3x3"
    rows = []
    for operations in ((first, second), (second, first)):
        choices = {choice.key: choice.candidates[0] for choice in space.choices}
        edges = dict.fromkeys(("edge_0_1", "edge_0_2", "edge_1_6", "edge_2_6"), "1")
        named = {f"op_{vertex}": name for vertex, name in enumerate(operations, 1)}
        rows.append(space.architecture({**choices, **edges, **named}))
    codes = space.encode(rows)
    found = groups(space, codes, FeatureSet(pairs=True))
    assert not np.array_equal(*found["choices"])
    np.testing.assert_array_equal(*found["pairs"])


@pytest.mark.parametrize("name", ["spos-tiny", "nasbench201"])
def test_fixed_wirings_have_no_pairs(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 3)
    assert "pairs" not in groups(space, codes, FeatureSet(pairs=True))
