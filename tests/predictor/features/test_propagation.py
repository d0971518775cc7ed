"""Signals in cells with random weights: closed forms against sampled networks."""

import numpy as np
import pytest
import torch

import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.groups import FeatureSet, groups
from predictor.features.labels import Labels
from predictor.features.propagation import propagation

CELLS = spaces.get("nasbench201")
OPERATIONS = ("skip_connect", "conv_3x3", "conv_1x1", "avg_pool_3x3", "output")


def graph(operations: list[str], edges: list[tuple[int, int]]) -> DenseGraphs:
    """A graph whose node 0 is the input and whose others have the operations in order."""
    nodes = len(operations) + 1
    incoming = torch.zeros(1, nodes, nodes)
    for source, target in edges:
        incoming[0, target, source] = 1
    labels = torch.tensor([[0, *(OPERATIONS.index(name) + 1 for name in operations)]])
    return DenseGraphs(
        labels,
        torch.arange(nodes)[None],
        torch.ones(1, nodes, dtype=torch.bool),
        incoming,
        torch.zeros(1, nodes, 0),
    )


def features(operations: list[str], edges: list[tuple[int, int]]) -> dict[str, float]:
    names = ["c0_1", "c0_4", "c5_1", "c5_4", "variance", "depth", "deviation", "kernels"]
    names += ["direct", "dead", "concentration"]
    row = propagation(graph(operations, edges), Labels.from_operations(OPERATIONS), OPERATIONS)[0]
    return dict(zip(names, row.tolist(), strict=True))


def test_skip_connections_alone_change_no_correlation() -> None:
    cell = features(["skip_connect", "output"], [(0, 1), (1, 2)])
    assert cell["c0_4"] == 0
    assert cell["c5_4"] == pytest.approx(0.5)
    assert cell["direct"] == 1
    assert cell["variance"] == 0


def test_parallel_skip_connections_add_amplitudes_and_operations_variances() -> None:
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    assert features(["skip_connect", "skip_connect", "output"], edges)["variance"] == pytest.approx(
        np.log(4)
    )
    cell = features(["conv_3x3", "conv_1x1", "output"], edges)
    assert cell["variance"] == pytest.approx(np.log(2))
    assert cell["kernels"] == pytest.approx(0.5)
    assert cell["concentration"] == pytest.approx(0.5)


def test_correlation_after_an_operation_is_that_of_a_wide_random_layer() -> None:
    # The closed form against 200,000 random units.
    rng = np.random.default_rng(0)
    images = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    rectified = np.maximum(images @ rng.normal(size=(2, 200_000)), 0)
    products = rectified @ rectified.T
    sampled = products[0, 1] / np.sqrt(products[0, 0] * products[1, 1])

    cell = features(["conv_3x3", "output"], [(0, 1), (1, 2)])
    assert cell["c5_1"] == pytest.approx(sampled, abs=0.01)
    assert cell["c0_1"] == pytest.approx(1 / np.pi)


def test_depth_counts_operations_with_weights_on_the_way() -> None:
    edges = [(0, 1), (1, 2), (2, 3), (0, 4), (3, 5), (4, 5)]
    cell = features(["conv_3x3", "conv_1x1", "skip_connect", "skip_connect", "output"], edges)
    assert cell["depth"] == pytest.approx(1.0)
    assert cell["deviation"] == pytest.approx(1.0)
    assert cell["direct"] == pytest.approx(0.5)


def test_cells_without_a_path_have_finite_features() -> None:
    cell = features(["conv_3x3", "output"], [(1, 2)])
    assert cell["dead"] == 1
    assert np.isfinite(list(cell.values())).all()


@pytest.mark.parametrize("name", ["nasbench201", "nasbench101", "darts"])
def test_spaces_of_cells_have_the_group_on_request(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 20)
    assert "propagation" not in groups(space, codes)
    values = groups(space, codes, FeatureSet(propagation=True))["propagation"]
    assert values.shape == (20, 11)
    assert np.isfinite(values).all()
    assert (values[:, :4] >= -1e-6).all()
    assert (values[:, :4] <= 1 + 1e-6).all()


def test_isomorphic_cells_propagate_equally() -> None:
    codes = CELLS.sample(np.random.default_rng(0), 200)
    values = groups(CELLS, codes, FeatureSet(propagation=True))["propagation"]
    same = groups(CELLS, CELLS.representatives(codes), FeatureSet(propagation=True))["propagation"]
    np.testing.assert_array_equal(values, same)
