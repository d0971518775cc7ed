"""Errors of medians: against the spread of many medians, and what does not change them."""

import numpy as np
import pytest

from tables.medians import relative_errors


def test_errors_are_the_deviation_of_medians_of_many_samples() -> None:
    values = np.random.default_rng(0).normal(10.0, 1.0, size=(4000, 25))
    expected = np.median(values, axis=1).std() / 10.0
    assert float(relative_errors(values).mean()) == pytest.approx(expected, rel=0.08)


def test_errors_are_relative_and_ignore_an_outlier() -> None:
    values = np.random.default_rng(1).normal(5.0, 0.2, size=31)
    error = float(relative_errors(values))
    assert float(relative_errors(7.0 * values)) == pytest.approx(error)
    with_outlier = values.copy()
    with_outlier[np.argmax(values)] = 1000.0
    assert float(relative_errors(with_outlier)) == pytest.approx(error)
    assert float(relative_errors(np.full(31, 5.0))) == 0.0
