"""DELE: a gate over experts, and training in two steps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import predictor
import spaces
from predictor.encoders.dele import DeleEncoder
from predictor.ensemble.fitting import Fitting
from predictor.ensemble.learned_columns import LearnedColumns
from predictor.ensemble.predictor import GraphPredictor
from predictor.errors import InvalidValues, MissingAuxiliary, TooFewArchitectures
from predictor.metrics import kendall_tau
from spaces.space import Codes

SPACE = spaces.get("nasbench201")
SMALL: dict[str, Any] = {"hidden": 16, "layers": 2, "head": 16}
SHORT = Fitting(epochs=30, least_epochs=1, steps=60, learning_rate=5e-3)
BRIEF = Fitting(epochs=20, least_epochs=1, steps=20)


def fresh(experts: int) -> DeleEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return DeleEncoder.from_space(SPACE, experts=experts, **SMALL).eval()


def sample(count: int, seed: int = 0) -> Codes:
    return SPACE.sample(np.random.default_rng(seed), count)


def convolutions(codes: Codes) -> NDArray[np.float64]:
    """How many 3x3 convolutions a cell has, and slightly its MACs."""
    return (codes == 3).sum(1) + 1e-9 * SPACE.macs(codes)


def skips(codes: Codes) -> NDArray[np.float64]:
    return (codes == 1).sum(1).astype(np.float64)


def small_predictor(pretraining: int = 150, fitting: Fitting = SHORT) -> GraphPredictor:
    return GraphPredictor(
        SPACE, members=2, fitting=fitting, encoder="dele", config=SMALL, pretraining=pretraining
    )


# The encoder


def test_score_is_the_sum_of_experts_weighted_by_the_gate() -> None:
    encoder = fresh(3)
    inputs = encoder.inputs(SPACE, sample(5))

    with torch.inference_mode():
        experts = torch.stack([expert(inputs) for expert in encoder.experts], dim=1)
        features = encoder.gate.features(inputs)
        weights = torch.exp(encoder.gate_head(features))
        weights = weights / weights.sum(1, keepdim=True)

        torch.testing.assert_close(encoder(inputs), (weights * experts).sum(1))
        torch.testing.assert_close(encoder(inputs, every_step=True), experts)
        torch.testing.assert_close(encoder.weights(inputs), weights)


def test_one_expert_is_that_expert() -> None:
    encoder = fresh(1)
    inputs = encoder.inputs(SPACE, sample(5))

    with torch.inference_mode():
        torch.testing.assert_close(encoder(inputs), encoder.experts[0](inputs))


# The first step


def test_each_expert_learns_its_own_column() -> None:
    encoders = [fresh(2).train(), fresh(2).train()]
    gate = encoders[0].gate_head[0].weight.clone()
    columns = LearnedColumns.from_providers(
        SPACE, sample(20), 300, 0, {"convolutions": convolutions, "skips": skips}
    )

    with torch.random.fork_rng(devices=[]):
        columns.teach(encoders, SPACE, SHORT, 0, lambda fraction, text: None)

    test = sample(200, seed=7)
    with torch.inference_mode():
        scores = encoders[0].eval()(encoders[0].inputs(SPACE, test), every_step=True).numpy()
    assert kendall_tau(scores[:, 0], convolutions(test)) > 0.5
    assert kendall_tau(scores[:, 1], skips(test)) > 0.5
    assert kendall_tau(scores[:, 0], skips(test)) < 0.2
    # The gate has nothing to learn from columns.
    torch.testing.assert_close(encoders[0].gate_head[0].weight, gate)
    assert not any(encoder.anytime for encoder in encoders)


def test_columns_are_those_of_training_data_and_random_architectures() -> None:
    codes = sample(20)
    columns = LearnedColumns.from_providers(SPACE, codes, 50, 0, None)

    assert columns.names == ("macs", "params")
    known = {tuple(row) for row in columns.codes.tolist()}
    assert {tuple(row) for row in codes.tolist()} <= known
    assert 60 < len(known) <= 70
    order = np.argsort(columns.values[:, 0], kind="stable")
    assert (np.diff(SPACE.macs(columns.codes)[order]) >= 0).all()


def test_measured_columns_are_unknown_of_other_architectures() -> None:
    first, second = sample(30, seed=3), sample(12, seed=4)
    repeated = np.concatenate([second, second[:1]])
    values = np.concatenate([skips(second), skips(second[:1]) + 20])

    columns = LearnedColumns.from_measured(
        {"a": (first, convolutions(first)), "b": (repeated, values)}
    )

    known = {tuple(row) for row in columns.codes[~np.isnan(columns.values[:, 1])].tolist()}
    assert known == {tuple(row) for row in second.tolist()}
    assert len(columns.codes) == len(np.unique(np.concatenate([first, second]), axis=0))
    # The mean of two values of one architecture is the greatest of all.
    best = columns.codes[np.nanargmax(columns.values[:, 1])]
    np.testing.assert_array_equal(best, second[0])


def test_experts_learn_columns_of_different_architectures() -> None:
    first, second = sample(150, seed=3), sample(150, seed=4)
    columns = LearnedColumns.from_measured(
        {"convolutions": (first, convolutions(first)), "skips": (second, skips(second))}
    )
    encoders = [fresh(2).train(), fresh(2).train()]

    with torch.random.fork_rng(devices=[]):
        columns.teach(encoders, SPACE, SHORT, 0, lambda fraction, text: None)

    test = sample(200, seed=7)
    with torch.inference_mode():
        scores = encoders[0].eval()(encoders[0].inputs(SPACE, test), every_step=True).numpy()
    assert kendall_tau(scores[:, 0], convolutions(test)) > 0.5
    assert kendall_tau(scores[:, 1], skips(test)) > 0.5


def test_measured_columns_are_checked() -> None:
    few, enough = sample(9), sample(10)

    with pytest.raises(TooFewArchitectures, match="the column 'few' has 9 architectures"):
        LearnedColumns.from_measured({"few": (few, skips(few))})
    with pytest.raises(InvalidValues, match="the column 'a' has a value that is not finite"):
        LearnedColumns.from_measured({"a": (enough, np.full(len(enough), np.inf))})
    columns = LearnedColumns.from_measured({"a": (enough, skips(enough))})
    with pytest.raises(InvalidValues, match="by experts, which gates does not have"):
        GraphPredictor(SPACE, columns=columns)


# The predictor


def test_columns_help_where_there_are_few_values() -> None:
    codes, test = sample(20), sample(300, seed=1)
    informed, plain = small_predictor(), small_predictor()
    informed.fit(codes, convolutions(codes), {"noisy": lambda c: convolutions(c) + 0.3 * skips(c)})
    plain.fit(codes, convolutions(codes), {"nothing": lambda c: c[:, 0].astype(float)})

    taus = [kendall_tau(model.predict(test)[0], convolutions(test)) for model in (informed, plain)]

    assert taus[0] > max(taus[1], 0.3)
    assert informed.trained_on["columns"] == ["noisy"]


def test_file_needs_no_columns(tmp_path: Path) -> None:
    codes = sample(20)
    model = small_predictor(50, BRIEF)
    model.fit(codes, convolutions(codes), {"a": skips, "b": convolutions})
    model.save(tmp_path / "dele.safetensors")

    loaded = predictor.load(tmp_path / "dele.safetensors")

    test = sample(10, seed=2)
    np.testing.assert_array_equal(loaded.predict(test)[0], model.predict(test)[0])
    assert isinstance(loaded, GraphPredictor)
    assert loaded.config["experts"] == 2


def test_interrupted_fit_resumes_to_the_same_weights(tmp_path: Path) -> None:
    codes = sample(40)

    def fitted(model: GraphPredictor, stop: int | None) -> GraphPredictor:
        calls = 0

        def progress(fraction: float, text: str) -> None:
            nonlocal calls
            calls += text.startswith("epoch")
            if calls == stop:
                raise KeyboardInterrupt

        model.fit(codes, convolutions(codes), None, progress, tmp_path / "state")
        return model

    whole = small_predictor(50, BRIEF)
    whole.fit(codes, convolutions(codes))
    with pytest.raises(KeyboardInterrupt):
        fitted(small_predictor(50, BRIEF), 15)
    assert (tmp_path / "state").exists()

    assert fitted(small_predictor(50, BRIEF), None).digest() == whole.digest()


def test_broken_columns_are_named() -> None:
    def unknown(codes: Codes) -> NDArray[np.float64]:
        raise MissingAuxiliary("the auxiliary columns have no architecture")

    codes = sample(20)
    model = small_predictor(10, BRIEF)

    with pytest.raises(InvalidValues, match="the column 'short' must be one finite number"):
        model.fit(codes, skips(codes), {"short": lambda c: np.zeros(3)})
    with pytest.raises(MissingAuxiliary):
        model.fit(codes, skips(codes), {"table": unknown})
