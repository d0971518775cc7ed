"""Metrics against figures by hand."""

import math
from typing import Any

import pytest

from predictor import metrics
from predictor.errors import InvalidValues

TRUE, PREDICTED = [1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]


def test_correlations() -> None:
    assert metrics.kendall_tau(PREDICTED, TRUE) == pytest.approx((5 - 1) / 6)
    assert metrics.spearman(PREDICTED, TRUE) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert metrics.pearson([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]) == pytest.approx(1)
    assert metrics.pearson([1.0, 0.0, 1.0], [1.0, 2.0, 3.0]) == pytest.approx(0)


@pytest.mark.parametrize("measure", [metrics.kendall_tau, metrics.spearman, metrics.pearson])
def test_a_constant_has_no_correlation(measure: Any) -> None:
    assert math.isnan(measure([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))


def test_of_the_best() -> None:
    assert metrics.precision_at_k([9.0, 8.0, 1.0, 2.0], TRUE, 2) == 0
    assert metrics.precision_at_k(PREDICTED, TRUE, 2) == 0.5
    assert metrics.regret([0.0, 5.0, 1.0, 2.0], TRUE) == 2
    assert metrics.regret(PREDICTED, TRUE) == 0


@pytest.mark.parametrize("k", [0, 5])
def test_k_out_of_range(k: int) -> None:
    with pytest.raises(InvalidValues, match=f"4 values, not {k}"):
        metrics.precision_at_k(PREDICTED, TRUE, k)


def test_unequal_lengths() -> None:
    with pytest.raises(InvalidValues, match=r"\(4,\) \(2,\)"):
        metrics.kendall_tau(TRUE, [1.0, 2.0])


def test_the_rank_of_the_best_among_the_first() -> None:
    assert (
        metrics.best_rank_at_k([9.0, 8.0, 1.0, 2.0], TRUE, 2) == 3
    )  # the values 1 and 2 are looked at
    assert metrics.best_rank_at_k([9.0, 8.0, 1.0, 2.0], TRUE, 3) == 1
    assert metrics.best_rank_at_k([2.0, 1.0, 0.0], [5.0, 5.0, 1.0], 1) == 1  # as good as the best


def test_figures_of_fewer_than_ten() -> None:
    found = metrics.figures(PREDICTED, TRUE)
    assert list(found) == list(metrics.FIGURES)
    assert found["precision_at_10"] == found["best_rank_at_10"] == 1
    assert found["regret"] == 0
