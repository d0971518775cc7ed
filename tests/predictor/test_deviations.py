"""Deviations of values: how many errors they hold, above all among the best networks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from predictor.deviations import ValueDeviations
from predictor.ranks import NormalScores


def crowded_values(
    count: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return predicted scores, their deviations, and values that crowd below 94.

    Every value has the noise of a training, .2, and an error of the prediction that falls with the
    distance from the best.
    """
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=count)
    error = 0.25 * rng.normal(size=count)
    values = 94 - np.exp(-1.5 * quality) + 0.2 * rng.normal(size=count)
    return quality + error, np.full(count, 0.25), values


def fractions(errors: NDArray[np.float64], deviation: NDArray[np.float64]) -> tuple[float, float]:
    ratio = np.abs(errors) / deviation
    return float((ratio <= 1).mean()), float((ratio <= 2).mean())


@pytest.mark.parametrize("count", [80, 400])
def test_deviations_hold_their_fractions_among_the_best_as_among_all(count: int) -> None:
    measured = []
    for seed in range(8):
        mean, deviation, values = crowded_values(count, seed)
        curve = NormalScores.from_values(values)
        deviations = ValueDeviations.fit(curve, mean, deviation, values)

        mean, deviation, values = crowded_values(4000, 100 + seed)
        errors = values - curve.to_values(mean)
        best = mean >= np.quantile(mean, 0.95)
        calibrated = deviations(mean, deviation)
        carried = curve.spread(mean, deviation)
        measured.append(
            [
                *fractions(errors, calibrated),
                *fractions(errors[best], calibrated[best]),
                *fractions(errors[best], carried[best]),
            ]
        )

    one, two, best_one, best_two, carried_one, carried_two = np.mean(measured, axis=0)
    assert 0.63 <= one <= 0.76
    assert 0.92 <= two <= 0.98
    assert 0.6 <= best_one <= 0.8
    assert best_two >= 0.9
    # Without the floor the noise of the training is missing where values crowd.
    assert carried_one < 0.5
    assert carried_two < 0.8


def test_factor_of_failed_trainings_does_not_widen_all_deviations() -> None:
    mean, deviation, values = crowded_values(300, 0)
    curve = NormalScores.from_values(values)
    usual = ValueDeviations.fit(curve, mean, deviation, values)(mean, deviation)

    values[:6] = 10.0
    failed = ValueDeviations.fit(curve, mean, deviation, values)(mean, deviation)
    assert 0.9 < np.median(failed / usual) < 1.5


def test_deviations_scale_with_the_unit_of_the_values() -> None:
    mean, deviation, values = crowded_values(120, 1)
    percent = ValueDeviations.fit(NormalScores.from_values(values), mean, deviation, values)
    fraction = ValueDeviations.fit(
        NormalScores.from_values(values / 100), mean, deviation, values / 100
    )
    np.testing.assert_allclose(percent(mean, deviation), 100 * fraction(mean, deviation), rtol=1e-6)


def test_values_that_are_all_equal_have_no_deviation() -> None:
    values = np.full(12, 3.0)
    mean = np.linspace(-1, 1, 12)
    deviations = ValueDeviations.fit(NormalScores.from_values(values), mean, np.ones(12), values)
    np.testing.assert_allclose(deviations(mean, np.ones(12)), 0, atol=1e-12)
