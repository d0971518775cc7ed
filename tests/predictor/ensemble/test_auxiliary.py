"""Auxiliary columns and the anytime head in ensembles of graph encoders."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import predictor
import spaces
from predictor.base import Auxiliary
from predictor.ensemble.predictor import Fitting, GraphPredictor
from predictor.errors import InvalidValues, MissingAuxiliary
from predictor.metrics import kendall_tau
from spaces.cells.nasbench201 import EDGES
from spaces.space import Codes

SPACE = spaces.get("nasbench201")
CODES = np.unique(SPACE.sample(np.random.default_rng(0), 300), axis=0)
SMALL = {
    "operation_channels": 8,
    "state_channels": 8,
    "hidden": 16,
    "layers": 2,
    "head": (16,),
    "zero_cost_scale": 1.0,
}


def noise(codes: Codes) -> NDArray[np.float64]:
    """A number of each cell that nothing in its graph tells."""
    return np.array([np.random.default_rng(row).normal() for row in codes.tolist()])


def at_operations(codes: Codes) -> NDArray[np.float64]:
    """Such a number for every operation, and 0 at the output."""
    drawn = np.array(
        [np.random.default_rng(row).normal(size=codes.shape[1]) for row in codes.tolist()]
    )
    return np.pad(drawn, ((0, 0), (0, SPACE.positions - codes.shape[1])))


def live_convolutions(codes: Codes) -> NDArray[np.float64]:
    """The 3x3 convolutions and a tenth of the 1x1 ones, on the edges that the output depends on."""
    operations = dict(zip(EDGES, codes.T, strict=True))
    # Whether each node is reached from the input, and reaches the output.
    reached = {0: np.ones(len(codes), bool)}
    for node in (1, 2, 3):
        edges = [(operations[source, node] > 0) & reached[source] for source in range(node)]
        reached[node] = np.any(edges, axis=0)
    reaching = {3: np.ones(len(codes), bool)}
    for node in (2, 1, 0):
        targets = range(node + 1, 4)
        edges = [(operations[node, target] > 0) & reaching[target] for target in targets]
        reaching[node] = np.any(edges, axis=0)

    values = np.zeros(len(codes))
    for (source, target), operation in operations.items():
        weights = (operation == 3) + 0.1 * (operation == 2)
        values += np.where(reached[source] & reaching[target], weights, 0.0)
    return values


def fitted(
    auxiliary: Auxiliary | None, values: NDArray[np.float64], epochs: int = 40, **config: object
) -> GraphPredictor:
    fitting = Fitting(epochs, batch_size=64, learning_rate=5e-3)
    model = GraphPredictor(SPACE, 0, 2, fitting, "ta-gates", {**SMALL, **config})
    model.fit(CODES[:150], values[:150], auxiliary)
    return model


def test_a_column_tells_apart_what_graphs_do_not() -> None:
    values = noise(CODES)
    with_column, without = fitted({"proxy": noise}, values), fitted(None, values)
    assert kendall_tau(with_column.predict(CODES[150:])[0], values[150:]) > 0.6
    assert abs(kendall_tau(without.predict(CODES[150:])[0], values[150:])) < 0.3


def test_a_column_may_have_a_number_for_each_operation() -> None:
    edges = at_operations(CODES)[:, : CODES.shape[1]]
    values = np.where(CODES > 1, edges, 0).sum(1)  # of what is neither absent nor a skip
    model = fitted({"saliency": at_operations}, values)
    assert kendall_tau(model.predict(CODES[150:])[0], values[150:]) > 0.4
    assert abs(kendall_tau(fitted(None, values).predict(CODES[150:])[0], values[150:])) < 0.3


def test_a_loaded_predictor_asks_for_its_columns(tmp_path: Path) -> None:
    model = fitted({"proxy": noise}, noise(CODES))
    model.save(tmp_path / "p.safetensors")
    loaded = predictor.load(tmp_path / "p.safetensors")
    assert isinstance(loaded, GraphPredictor)
    with pytest.raises(MissingAuxiliary, match="proxy"):
        loaded.predict(CODES[:5])
    loaded.auxiliary.provide({"proxy": noise})
    for one, other in zip(loaded.predict(CODES), model.predict(CODES), strict=True):
        assert np.array_equal(one, other)


def test_a_column_of_another_shape_is_refused() -> None:
    with pytest.raises(
        InvalidValues, match=r"'proxy' must be one finite number .* or for each of its 7 positions"
    ):
        fitted({"proxy": lambda codes: np.zeros((len(codes), 3))}, noise(CODES))


def test_encoders_without_features_leave_columns_alone() -> None:
    predictions = []
    for auxiliary in (None, {"proxy": noise}):
        model = GraphPredictor(SPACE, 0, 2, Fitting(epochs=2), "mlp")
        model.fit(CODES[:40], noise(CODES[:40]), auxiliary)
        predictions.append(model.predict(CODES)[0])
    assert np.array_equal(*predictions)


def test_the_anytime_head_trains_every_step() -> None:
    values = live_convolutions(CODES)
    # As many layers as the longest path of a cell has edges: with fewer, the operation on its first
    # edge does not reach the output.
    model = fitted(None, values, 120, anytime=True, steps=2, layers=3)
    assert all(encoder.on_edges for encoder in model.encoders)
    for encoder in model.encoders:
        scores = (
            encoder(encoder.inputs(SPACE, CODES[150:]), every_step=True).detach().double().numpy()
        )
        for step in range(2):
            assert kendall_tau(scores[:, step], values[150:]) > 0.4
    assert kendall_tau(model.predict(CODES[150:])[0], values[150:]) > 0.6
