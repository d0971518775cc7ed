"""The Gaussian process: its closed forms, its auxiliary columns, its files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import predictor
import spaces
from predictor.auxiliary import columns_from_table
from predictor.errors import InvalidValues, MissingAuxiliary
from predictor.gaussian import process as process_module
from predictor.gaussian.kernel import covariance, group_distances, initial_parameters
from predictor.gaussian.predictor import GaussianProcess
from predictor.gaussian.process import _PENALTY, ExactProcess
from predictor.metrics import kendall_tau
from predictor.ranks import NormalScores
from spaces.space import Codes

SPACE = spaces.get("spos-tiny")


def features(
    count: int, seed: int = 0
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    values = {
        "costs": rng.normal(size=(count, 2)),
        "paths": rng.integers(0, 3, size=(count, 5)).astype(float),
    }
    return values, np.sin(values["costs"][:, 0]) + 0.3 * values["paths"][:, 1]


def test_left_out_predictions_are_those_of_processes_without_the_row() -> None:
    inputs, targets = features(25)
    whole = ExactProcess(inputs, targets)
    kernel = covariance(
        whole.inputs,
        whole.inputs,
        group_distances(whole.inputs, whole.inputs, whole.sizes),
        whole.parameters,
    )
    noise = whole.parameters["noise"].exp() + 1e-5
    for row in (0, 11, 24):
        others = torch.arange(25) != row
        matrix = kernel[others][:, others] + noise * torch.eye(24, dtype=torch.double)
        expected = kernel[row, others] @ torch.linalg.solve(
            matrix, torch.from_numpy(targets)[others]
        )
        assert float(whole.left_out_mean[row]) == pytest.approx(float(expected), abs=1e-6)
        variance = (
            whole.prior
            + noise
            - kernel[row, others] @ torch.linalg.solve(matrix, kernel[others, row])
        )
        assert whole.left_out_deviation[row] == pytest.approx(float(variance.sqrt()), abs=1e-6)


def test_the_fit_goes_down_the_likelihood_and_its_penalty() -> None:
    inputs, targets = features(30)
    fitted = ExactProcess(inputs, targets)

    def cost(parameters: dict[str, torch.Tensor]) -> float:
        distances = group_distances(fitted.inputs, fitted.inputs, fitted.sizes)
        matrix = covariance(fitted.inputs, fitted.inputs, distances, parameters)
        matrix = matrix + (parameters["noise"].exp() + 1e-5) * torch.eye(30, dtype=torch.double)
        density = torch.distributions.MultivariateNormal(
            torch.zeros(30, dtype=torch.double), matrix
        )
        drawn = sum(
            _PENALTY[name] * (parameters[name] - begin[name]).square().sum() for name in begin
        )
        return float(drawn - density.log_prob(torch.from_numpy(targets)))

    begin = initial_parameters(fitted.sizes)
    reached = cost(fitted.parameters)
    assert reached < cost(begin) - 5
    for name, value in fitted.parameters.items():
        for step in (-0.1, 0.1):
            # After its steps the fit is near the least, not at it.
            assert reached < cost({**fitted.parameters, name: value + step}) + 0.2


def test_the_kernel_has_the_gradient_of_its_formula() -> None:
    from predictor.gaussian.kernel import _matern

    squared = torch.tensor([0.0, 0.3, 2.0, 30.0], dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(_matern, squared[1:])
    (slope,) = torch.autograd.grad(_matern(squared).sum(), squared)
    assert float(slope.detach()[0]) == pytest.approx(-5 / 6)


def test_the_kernel_is_positive_definite_and_known_points_are_met() -> None:
    inputs, targets = features(40)
    process = ExactProcess(inputs, targets)
    mean, deviation = process.predict(inputs)
    far = {name: values + 50 for name, values in inputs.items()}
    assert np.corrcoef(mean, targets)[0, 1] > 0.99
    assert deviation.max() < process.predict(far)[1].min()


def test_solution_by_blocks_is_that_of_the_whole_matrix() -> None:
    inputs, targets = features(700)
    parameters = initial_parameters([2, 5])
    process = ExactProcess(inputs, targets, parameters=parameters)
    distances = group_distances(process.inputs, process.inputs, process.sizes)
    matrix = covariance(process.inputs, process.inputs, distances, parameters)
    matrix.diagonal().add_(parameters["noise"].exp() + 1e-5)
    expected = torch.linalg.inv(matrix)
    torch.testing.assert_close(process.inverse.double(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(process.solved, expected @ process.targets)


def test_parameters_are_fitted_to_some_rows_and_predictions_use_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs, targets = features(120)
    on_all = ExactProcess(inputs, targets)
    monkeypatch.setattr(process_module, "_LIKELIHOOD_ROWS", 60)
    first, again, other = (ExactProcess(inputs, targets, seed=seed) for seed in (1, 1, 2))

    assert torch.equal(first.solved, again.solved)
    assert not torch.equal(first.parameters["weights"], other.parameters["weights"])
    assert len(first.solved) == 120
    unseen, truth = features(200, seed=9)
    error = {
        name: np.abs(process.predict(unseen)[0] - truth).mean()
        for name, process in {"all": on_all, "some": first}.items()
    }
    assert error["some"] < 1.5 * error["all"] + 0.02


def test_constant_features_are_left_out() -> None:
    inputs, targets = features(20)
    process = ExactProcess({**inputs, "blocks": np.ones((20, 3))}, targets)
    assert list(process.columns) == ["costs", "paths"]


def test_normal_scores_are_a_monotone_map() -> None:
    values = np.array([3.0, 1.0, 1.0, 10.0, 4.0, 5.0, 6.0, 7.0])
    scores = NormalScores.from_values(values)
    found = scores.to_scores(values)
    assert found[1] == found[2]
    np.testing.assert_allclose(scores.to_values(found), values)
    wide = np.linspace(-6, 6, 500)
    assert (np.diff(scores.to_values(wide)) > 0).all()
    assert (scores.spread(wide, np.full(500, 0.1)) > 0).all()


def additive(codes: Codes) -> NDArray[np.float64]:
    return np.array([0.0, 1.0, 1.6, 2.4])[codes].sum(1)


def test_an_auxiliary_column_helps_and_has_to_be_given_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes = np.unique(SPACE.sample(rng, 400), axis=0)
    hidden = rng.normal(size=len(codes))
    values = additive(codes) + 3 * hidden
    auxiliary = columns_from_table({"supernet": hidden}, codes)
    plain, knowing = GaussianProcess(SPACE), GaussianProcess(SPACE)
    plain.fit(codes[:60], values[:60])
    knowing.fit(codes[:60], values[:60], auxiliary)
    taus = [kendall_tau(model.predict(codes[60:])[0], values[60:]) for model in (plain, knowing)]
    assert taus[1] > taus[0] + 0.3

    path = tmp_path / "p.safetensors"
    knowing.save(path)
    loaded = predictor.load(path)
    assert isinstance(loaded, GaussianProcess)
    with pytest.raises(MissingAuxiliary, match="supernet"):
        loaded.predict(codes[60:])
    loaded.auxiliary.provide(auxiliary)
    assert np.array_equal(loaded.predict(codes[60:])[0], knowing.predict(codes[60:])[0])


def test_auxiliary_columns_that_do_not_fit_are_refused() -> None:
    codes = SPACE.sample(np.random.default_rng(0), 12)
    with pytest.raises(InvalidValues, match="'short'"):
        GaussianProcess(SPACE).fit(codes, additive(codes), {"short": lambda asked: np.zeros(3)})
    known = columns_from_table({"name": np.zeros(12)}, codes)
    with pytest.raises(MissingAuxiliary, match="no architecture"):
        known["name"]((codes + 1) % 4)


@pytest.mark.parametrize("kind", ["gp", "gates", "boosting"])
def test_few_architectures_give_a_ranking(kind: str) -> None:
    codes = np.unique(SPACE.sample(np.random.default_rng(4), 19), axis=0)
    model = predictor.make(kind, SPACE)
    model.fit(codes, additive(codes))
    mean, deviation = model.predict(SPACE.sample(np.random.default_rng(5), 50))
    assert len(np.unique(mean)) > 10
    assert (deviation > 0).all()
