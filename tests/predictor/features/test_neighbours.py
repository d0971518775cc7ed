"""Operations near each other: counted node by node, and equal for cells that differ in numbers."""

from itertools import combinations

import numpy as np
import pytest

import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.groups import FeatureSet, groups
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
    found = groups(space, space.encode(rows), FeatureSet(neighbours=True))
    assert not np.array_equal(*found["choices"])
    np.testing.assert_array_equal(*found["neighbours"])


def test_fixed_wirings_have_no_such_group() -> None:
    space = spaces.get("nasbench201")
    codes = space.sample(np.random.default_rng(0), 3)
    assert "neighbours" not in groups(space, codes, FeatureSet(neighbours=True))
