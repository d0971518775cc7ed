"""Predictors: what they learn, that they repeat, and their files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, safe_open, save_file
from scipy.stats import norm

import predictor
import spaces
from predictor import registry
from predictor.base import Predictor
from predictor.ensemble.calibration import Calibration
from predictor.ensemble.predictor import Fitting, GraphPredictor
from predictor.errors import InvalidPredictor, InvalidValues, NotFitted, TooFewArchitectures
from predictor.gaussian.predictor import GaussianProcess
from predictor.metrics import kendall_tau
from spaces.errors import InvalidFile, UnknownName
from spaces.space import Codes

SPACE = spaces.get("spos-tiny")
QUICK = Fitting(epochs=3)


def quality(codes: Codes) -> NDArray[np.float64]:
    """Larger kernels help, more so late; two equal neighbours hurt."""
    worth = np.array([0.0, 1.0, 1.6, 2.4])[codes]
    return worth @ np.linspace(0.5, 1.5, 6) - 0.6 * (codes[:, 1:] == codes[:, :-1]).sum(1)


def data(count: int, seed: int = 0) -> tuple[Codes, NDArray[np.float64]]:
    codes = SPACE.sample(np.random.default_rng(seed), count)
    return codes, quality(codes)


def quick(kind: str, seed: int = 0) -> Predictor:
    return (
        GraphPredictor(SPACE, seed, members=2, fitting=QUICK)
        if kind == "gates"
        else predictor.make(kind, SPACE, seed)
    )


@pytest.fixture(scope="module", params=["gates", "blend", "gp", "forest", "boosting"])
def fitted(request: pytest.FixtureRequest) -> Predictor:
    model = quick(request.param)
    model.fit(*data(40))
    return model


@pytest.mark.slow
def test_default_learns_a_target_with_interactions() -> None:
    model = predictor.default(SPACE)
    model.fit(*data(150))
    codes, values = data(600, seed=1)
    mean, deviation = model.predict(codes)
    assert kendall_tau(mean, values) > 0.8
    assert 0.5 < np.mean(np.abs(mean - values) <= deviation) < 0.95
    assert abs(np.mean(mean - values)) < 0.2 * values.std()  # in the unit of the values


@pytest.mark.parametrize("kind", ["gp", "forest"])
def test_baselines_learn(kind: str) -> None:
    model = predictor.make(kind, SPACE)
    model.fit(*data(150))
    codes, values = data(600, seed=1)
    assert kendall_tau(model.predict(codes)[0], values) > {"gp": 0.8, "forest": 0.6}[kind]


def test_architectures_and_codes_are_scored_alike(fitted: Predictor) -> None:
    codes, _ = data(5, seed=2)
    mean, deviation = fitted.predict(codes)
    assert mean.shape == deviation.shape == (5,)
    assert mean.dtype == deviation.dtype == np.float64
    assert (deviation >= 0).all()
    for one, other in zip(fitted.predict(SPACE.decode(codes)), (mean, deviation), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("kind", ["gates", "gp", "forest", "boosting"])
def test_same_seed_same_predictions(kind: str) -> None:
    codes, _ = data(20, seed=3)
    state, numpy_state = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002 - that it is left alone
    found = []
    for seed in (5, 5, 6):
        model = quick(kind, seed)
        model.fit(*data(40))
        found.append(model.predict(codes)[0])
    assert np.array_equal(found[0], found[1])
    if kind != "gp":  # a Gaussian process finds one optimum from every start
        assert not np.array_equal(found[0], found[2])
    assert torch.equal(torch.get_rng_state(), state)
    assert str(np.random.get_state()) == numpy_state  # noqa: NPY002


def test_progress_rises_to_one() -> None:
    told: list[float] = []
    GraphPredictor(SPACE, members=2, fitting=QUICK).fit(
        *data(20), progress=lambda share, text: told.append(share)
    )
    assert told == pytest.approx([1 / 3, 2 / 3, 1])


def test_saved_and_loaded_predictions_are_identical(fitted: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    fitted.save(path)
    loaded = predictor.load(path)
    codes, _ = data(30, seed=4)
    assert type(loaded) is type(fitted)
    assert loaded.space == SPACE
    assert loaded.trained_on["architectures"] == 40
    for one, other in zip(loaded.predict(codes), fitted.predict(codes), strict=True):
        assert np.array_equal(one, other)
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_learned_of_costs_helps_where_values_are_few(tmp_path: Path) -> None:
    space = spaces.get("nasbench201")
    codes = np.unique(space.sample(np.random.default_rng(0), 400), axis=0)
    values = space.macs(codes) + np.random.default_rng(1).normal(size=len(codes))
    rows = np.random.default_rng(2).permutation(len(codes))
    config = {"operation_channels": 8, "hidden": 16, "layers": 4, "head": 16, "head_layers": 1}
    taus = []
    for pretraining in (0, 300):
        fitting = Fitting(epochs=20, learning_rate=5e-3)
        model = GraphPredictor(space, 0, 2, fitting, "gates", config, pretraining)
        model.fit(codes[rows[:12]], values[rows[:12]])
        taus.append(kendall_tau(model.predict(codes[rows[12:]])[0], values[rows[12:]]))
    assert taus[1] > taus[0] + 0.1
    model.save(tmp_path / "p.safetensors")
    loaded = predictor.load(tmp_path / "p.safetensors")
    assert isinstance(loaded, GraphPredictor)
    assert loaded.pretraining == 300
    assert np.array_equal(loaded.predict(codes)[0], model.predict(codes)[0])


def test_members_are_compared_on_one_scale() -> None:
    fold = np.arange(50) % 2
    values = 3 * norm.ppf((np.arange(50) + 0.5) / 50) + 2
    reference = np.stack([values, 7 * values + 100])
    calibration = Calibration.fit(reference[fold, np.arange(50)], values, fold, reference)
    mean, deviation = calibration.apply(reference)
    np.testing.assert_allclose(mean, values)
    np.testing.assert_allclose(deviation, 0, atol=1e-6)


def test_deviations_of_the_mean_hold_two_thirds_though_some_values_are_far_off() -> None:
    rng = np.random.default_rng(0)
    truth, members, count = rng.normal(size=4000), 4, 3000
    scores = truth + 0.5 * rng.normal(size=(members, 4000))
    values = 2 * truth + 0.6 * rng.normal(size=4000)
    values[rng.permutation(4000)[:80]] -= 30
    fold = np.arange(count) % members
    calibration = Calibration.fit(scores[fold, np.arange(count)], values[:count], fold, scores)
    mean, deviation = calibration.apply(scores[:, count:])
    assert 0.6 < (np.abs(mean - values[count:]) <= deviation).mean() < 0.8
    one = Calibration.fit(
        scores[0, :count], values[:count], np.zeros(count, dtype=np.int64), scores[:1]
    )
    assert deviation.mean() < one.apply(scores[:1, count:])[1].mean()


@pytest.mark.parametrize("count", [1, 2, 3, 40, 300])
def test_values_stay_near_those_that_were_seen_though_they_crowd_below_the_best(count: int) -> None:
    rng = np.random.default_rng(count)
    values = 94 - rng.exponential(2.0, count) ** 1.5
    scores = np.sqrt(94 - values) * -3 + rng.normal(size=count)
    calibration = Calibration.fit(scores, values, np.zeros(count, dtype=np.int64), scores[None])
    order = np.linspace(scores.min() - 1, scores.max() + 1, 500)
    mean, deviation = calibration.apply(order[None])
    assert mean.max() < values.max() + 0.5
    assert (np.diff(mean) > 0).all() or count == 1
    assert (deviation >= 0).all()
    tensor = torch.from_numpy(order).requires_grad_()
    relaxed = calibration.relaxed_mean(tensor[None])
    np.testing.assert_allclose(relaxed.detach().numpy(), mean)
    torch.autograd.backward(relaxed.sum())
    assert tensor.grad is not None
    slopes = tensor.grad.numpy()
    assert (slopes > 0).all() or count == 1
    np.testing.assert_allclose(
        slopes.sum() * (order[1] - order[0]), mean[-1] - mean[0], rtol=0.1, atol=1e-9
    )


def test_calibrations_from_before_the_curve_are_read_as_lines() -> None:
    old = {"slope": 2.0, "intercept": 5.0, "noise": 0.5, "centres": (0.0,), "scales": (1.0,)}
    mean, deviation = Calibration.from_dict(old).apply(np.array([[-3.0, 0.0, 4.0]]))
    np.testing.assert_allclose(mean, [-1, 5, 13])
    np.testing.assert_allclose(deviation, 0.5)


def test_deviations_hold_their_fractions_among_the_best_predicted() -> None:
    measured = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        quality = rng.normal(size=2100)
        scores = quality + 0.3 * rng.normal(size=(4, 2100)) + 0.3 * rng.normal(size=2100)
        # Values crowd below 94, where they differ by the noise of their trainings.
        values = 94 - np.exp(-1.5 * quality) + 0.2 * rng.normal(size=2100)
        fold = np.arange(100) % 4
        calibration = Calibration.fit(scores[fold, np.arange(100)], values[:100], fold, scores)
        mean, deviation = calibration.apply(scores[:, 100:])
        best = mean >= np.quantile(mean, 0.9)
        ratio = np.abs(values[100:] - mean)[best] / deviation[best]
        measured.append([(ratio <= 1).mean(), (ratio <= 2).mean()])
    one, two = np.mean(measured, axis=0)
    # Carried through the curve, deviations hold .4 and .7.
    assert 0.55 < one < 0.78
    assert two > 0.85


def test_calibrations_are_rebuilt_with_their_deviations() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 60))
    values = np.exp(scores.mean(0)) + 0.1 * rng.normal(size=60)
    fold = np.arange(60) % 2
    calibration = Calibration.fit(scores[fold, np.arange(60)], values, fold, scores)
    fields = json.loads(json.dumps(calibration.to_dict()))
    np.testing.assert_allclose(
        Calibration.from_dict(fields).apply(scores), calibration.apply(scores)
    )

    # A file from before carries the deviation through the curve.
    del fields["deviations"]
    mean, deviation = Calibration.from_dict(fields).apply(scores)
    np.testing.assert_allclose(mean, calibration.apply(scores)[0])
    assert not np.allclose(deviation, calibration.apply(scores)[1])


def test_calibration_never_turns_the_order() -> None:
    base = np.linspace(-1, 1, 20)
    calibration = Calibration.fit(base, -base, np.zeros(20, dtype=np.int64), base[None])
    assert 0 < calibration.slope < 0.1 * base.std()


@pytest.mark.parametrize(
    ("codes", "values", "error", "text"),
    [
        (data(9)[0], np.zeros(9), TooFewArchitectures, "at least 10 architectures; got 9"),
        (data(12)[0], np.zeros(11), InvalidValues, "12 architectures need as many values"),
        (data(12)[0], np.array([0.0] * 11 + [np.nan]), InvalidValues, "value 11 is nan"),
    ],
)
def test_unusable_training_data(
    codes: Codes, values: NDArray[np.float64], error: type[Exception], text: str
) -> None:
    for kind in registry.available():
        with pytest.raises(error, match=text):
            quick(kind).fit(codes, values)


@pytest.mark.parametrize("kind", ["gates", "gp", "forest", "boosting"])
def test_before_the_fit(kind: str, tmp_path: Path) -> None:
    with pytest.raises(NotFitted):
        quick(kind).predict(data(1)[0])
    with pytest.raises(NotFitted):
        quick(kind).save(tmp_path / "p.safetensors")
    assert not list(tmp_path.iterdir())


def test_unknown_kind() -> None:
    with pytest.raises(
        UnknownName,
        match="gates, ta-gates, mlp, lstm, gcn, dele, transformer, gp, evidence, blend, forest,"
        " boosting",
    ):
        predictor.make("cnn", SPACE)


# Files that are refused


def spoilt(path: Path, change: dict[str, object], drop: str | None = None) -> Path:
    """A file of a fitted predictor with its header changed, or without a key or tensor."""
    model = GraphPredictor(SPACE, members=2, fitting=Fitting(epochs=1))
    model.fit(*data(10))
    model.save(path)
    with safe_open(path, framework="pt") as file:
        head = json.loads(file.metadata()["pathfit"])
    tensors = load_file(path)
    head = {key: value for key, value in {**head, **change}.items() if key != drop}
    save_file(
        {key: value for key, value in tensors.items() if key != drop},
        path,
        metadata={"pathfit": json.dumps(head)},
    )
    return path


@pytest.mark.parametrize(
    ("change", "drop", "text"),
    [
        ({"format": "other"}, None, "'other'"),
        ({"version": 99}, None, "version 99; this Pathfit reads 1"),
        ({"version": 0}, None, "version 0; this Pathfit reads 1"),
        ({"kind": "mlp"}, None, "unknown predictor 'mlp'"),
        ({"space": "nowhere"}, None, "unknown space 'nowhere'"),
        ({"space": "spos"}, None, "size mismatch|loading state_dict"),
        ({"calibration": {"slope": 1}}, None, "missing"),
        ({"trained_on": {}}, "seed", "the key 'seed' is missing"),
        ({}, "0.state.weight", "loading state_dict"),
    ],
)
def test_changed_files_are_refused(
    tmp_path: Path, change: dict[str, object], drop: str | None, text: str
) -> None:
    path = spoilt(tmp_path / "p.safetensors", change, drop)
    with pytest.raises(InvalidPredictor, match=text) as raised:
        predictor.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x80\x04N."])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.safetensors"
    path.write_bytes(content)
    with pytest.raises(InvalidFile, match="not a predictor's file"):
        predictor.load(path)


@pytest.mark.parametrize("metadata", [None, {"pathfit": "[]"}, {"pathfit": "{"}])
def test_foreign_tensors_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "p.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(InvalidPredictor, match="not a predictor's file"):
        predictor.load(path)


def test_a_gaussian_process_deviates_less_where_it_has_seen() -> None:
    model = GaussianProcess(SPACE)
    codes, values = data(60)
    model.fit(codes, values)
    assert model.predict(codes)[1].mean() < model.predict(data(300, seed=9)[0])[1].mean()


def test_predictor_of_every_other_value_is_saved(tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    codes = np.unique(space.sample(np.random.default_rng(0), 60), axis=0)
    model = predictor.make("forest", space)
    model.fit(codes[::2], np.arange(len(codes), dtype=float)[::2])
    model.save(tmp_path / "forest.safetensors")
    loaded = predictor.load(tmp_path / "forest.safetensors")
    assert (loaded.predict(codes)[0] == model.predict(codes)[0]).all()
