"""The standard error of Kendall's tau."""

import math

import numpy as np
import pytest

from predictor.metrics import kendall_tau, tau_standard_error


def test_it_is_what_tau_deviates_by_between_samples() -> None:
    rng = np.random.default_rng(0)
    samples = [rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 48).T for _ in range(400)]
    spread = np.std([kendall_tau(*sample) for sample in samples])
    assert np.mean([tau_standard_error(*sample) for sample in samples]) == pytest.approx(
        spread, rel=0.12
    )


def test_by_hand() -> None:
    true, predicted = np.arange(5.0), np.array([0.0, 2.0, 1.0, 3.0, 4.0])
    without = [
        kendall_tau(np.delete(predicted, index), np.delete(true, index)) for index in range(5)
    ]
    assert tau_standard_error(predicted, true) == pytest.approx(
        np.sqrt(4 / 5 * np.square(without - np.mean(without)).sum())
    )


def test_what_is_certain_and_what_cannot_be_told() -> None:
    values = np.random.default_rng(0).permutation(1200)
    assert tau_standard_error(values, values) == 0
    assert math.isnan(tau_standard_error([1, 2], [1, 2]))
