"""The correction: exact where nothing disturbs, its sigma cross-validated, outliers left out."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tables.cost.ridge import PENALTIES, fit_ridge, remove_noise

Array = NDArray[np.float64]


def one_hot(rng: np.random.Generator, count: int, choices: int = 5, candidates: int = 4) -> Array:
    codes = rng.integers(candidates, size=(count, choices))
    return np.concatenate(
        [np.eye(candidates)[codes[:, column]] for column in range(choices)], axis=1
    )


def effects(rng: np.random.Generator, choices: int = 5, candidates: int = 4) -> Array:
    """Deltas that sum to 0 in every choice, so that they are determined."""
    deltas = rng.normal(0, 1, (choices, candidates))
    return (deltas - deltas.mean(1, keepdims=True)).reshape(-1)


def test_intercept_and_deltas_are_recovered() -> None:
    rng = np.random.default_rng(0)
    features, deltas = one_hot(rng, 4000), effects(rng)
    prior = rng.uniform(5, 10, 4000)
    found = fit_ridge(features, prior, prior + 3.0 + features @ deltas)
    assert found.intercept == pytest.approx(3.0, abs=1e-4)
    assert np.allclose(found.deltas, deltas, atol=1e-4)
    assert found.penalty == PENALTIES[0]
    assert found.sigma < 1e-4 < found.naive_sigma
    assert (found.count, found.outliers) == (4000, 0)


def test_a_shift_alone_is_the_intercept() -> None:
    rng = np.random.default_rng(1)
    features, prior = one_hot(rng, 100), rng.uniform(5, 10, 100)
    found = fit_ridge(features, prior, prior + 0.7 + rng.normal(0, 0.01, 100))
    assert found.intercept + features @ found.deltas == pytest.approx(0.7, abs=0.01)
    assert found.intercept == pytest.approx(0.7, abs=0.005)


def ridge(features: Array, rest: Array, penalty: float) -> tuple[float, Array]:
    """The textbook's solution: the intercept is not shrunk."""
    centred = features - features.mean(0)
    gram: Any = centred.T @ centred + penalty * np.eye(features.shape[1])
    deltas = np.linalg.solve(gram, centred.T @ (rest - rest.mean()))
    return float(rest.mean() - features.mean(0) @ deltas), deltas


@settings(max_examples=10)
@given(
    seed=st.integers(0, 10_000), noise=st.sampled_from([0.05, 0.5, 5.0]), count=st.integers(20, 60)
)
def test_closed_form_is_the_refits(seed: int, noise: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    features = one_hot(rng, count)
    # Bounded noise, so that nothing counts as disturbed.
    rest = features @ effects(rng) + noise * rng.uniform(-1, 1, count)
    found = fit_ridge(features, np.zeros(count), rest)
    assert found.outliers == 0
    intercept, deltas = ridge(features, rest, found.penalty)
    assert found.intercept == pytest.approx(intercept, abs=1e-8)
    assert np.allclose(found.deltas, deltas, atol=1e-8)
    keep = ~np.eye(count, dtype=bool)
    scores = []
    for penalty in PENALTIES[::6]:
        # Leaving one out and refitting with the same matrix of centred features is what the closed
        # form gives.
        left = [refit_error(features, rest, penalty, mask) for mask in keep]
        scores.append(np.sqrt(np.mean(np.square(left))))
    chosen = [refit_error(features, rest, found.penalty, mask) for mask in keep]
    assert found.sigma == pytest.approx(np.sqrt(np.mean(np.square(chosen))), rel=1e-6)
    assert found.sigma <= min(scores) * (1 + 1e-6)
    naive = [rest[i] - rest[mask].mean() for i, mask in enumerate(keep)]
    assert found.naive_sigma == pytest.approx(np.sqrt(np.mean(np.square(naive))))


def refit_error(features: Array, rest: Array, penalty: float, mask: NDArray[np.bool_]) -> float:
    """The error at the one left out of a fit of the others, the intercept refitted too."""
    intercept, deltas = ridge(features[mask], rest[mask], penalty)
    return float((rest[~mask] - intercept - features[~mask] @ deltas)[0])


@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
def test_sigma_is_the_noise(noise: float) -> None:
    rng = np.random.default_rng(2)
    features, prior = one_hot(rng, 400), rng.uniform(5, 10, 400)
    values = prior + 2 + features @ effects(rng) + rng.normal(0, noise, 400)
    found = fit_ridge(features, prior, values)
    # 16 determined numbers of 400 samples widen a prediction by 2%; 7% is two deviations of the
    # estimate.
    assert found.sigma == pytest.approx(noise, rel=0.12)


def test_disturbed_networks_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(3)
    features, deltas = one_hot(rng, 300), effects(rng)
    values = 2 + features @ deltas + rng.normal(0, 0.02, 300)
    clean = fit_ridge(features, np.zeros(300), values)
    disturbed = values.copy()
    disturbed[:20] += rng.uniform(3, 30, 20)
    found = fit_ridge(features, np.zeros(300), disturbed)
    assert clean.outliers <= 2
    assert 20 <= found.outliers <= 22
    assert found.count == 300 - found.outliers
    assert found.sigma == pytest.approx(clean.sigma, rel=0.15)
    assert np.allclose(found.intercept + features @ found.deltas, 2 + features @ deltas, atol=0.05)


def undisturbed(seed: int, count: int) -> tuple[Array, Array]:
    """Features and values of networks whose noise is bounded, so that none is an outlier."""
    rng = np.random.default_rng(seed)
    features = one_hot(rng, count)
    values = features @ effects(rng) + 0.5 * rng.uniform(-1, 1, count)
    return features, values


def test_few_undisturbed_networks_are_all_in_the_fit() -> None:
    # 16 parameters follow 20 networks so closely that residuals alone put an outlier in 6% of sets.
    outliers = 0
    for seed in range(300):
        features, values = undisturbed(seed, 20)
        outliers += fit_ridge(features, np.zeros(20), values).outliers

    assert outliers == 0


@pytest.mark.parametrize("count", [20, 60])
def test_a_disturbed_network_among_few_is_left_out(count: int) -> None:
    detected = 0
    for seed in range(100):
        features, values = undisturbed(seed, count)
        values[seed % count] += 30
        correction = fit_ridge(features, np.zeros(count), values)

        # Without it, the others' fit is that of the others alone.
        others = np.arange(count) != seed % count
        alone = fit_ridge(features[others], np.zeros(count - 1), values[others])
        detected += correction.outliers == 1 and correction.intercept == alone.intercept

    assert detected >= 98


def test_values_that_are_all_alike_are_no_outliers() -> None:
    features = one_hot(np.random.default_rng(4), 30)
    found = fit_ridge(features, np.zeros(30), np.full(30, 1.5))
    assert (found.count, found.outliers) == (30, 0)
    assert found.intercept == pytest.approx(1.5)
    assert found.sigma == pytest.approx(0, abs=1e-9)


def test_the_noise_of_measurements_is_no_part_of_the_deviation() -> None:
    # 0.5^2 - 0.3^2 = 0.4^2; 100 residuals know their variance to sqrt(2 / 100).
    assert remove_noise(0.5, 100, np.full(100, 0.3)) == pytest.approx(0.4)
    floor = 0.5 * (2 / 100) ** 0.25
    assert remove_noise(0.5, 100, np.full(100, 0.6)) == pytest.approx(floor)
