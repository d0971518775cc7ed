"""Intervals: resamples against figures of repeated networks, and coverage of the chance level."""

from collections import Counter

import numpy as np
import pytest

from predictor.verdict import intervals, judge
from tables.ranks import kendall, spearman


def test_weighted_correlations_are_those_of_repeated_networks() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 6, (2, 40)).astype(float)
    weights = rng.multinomial(40, np.full(40, 1 / 40), 5).astype(np.float32)
    taus = intervals.weighted_kendall(scores, truth, weights)
    correlations = intervals.weighted_spearman(scores, truth, weights)
    for resample, tau, correlation in zip(weights.astype(int), taus, correlations, strict=True):
        first, second = np.repeat(scores, resample), np.repeat(truth, resample)
        assert tau == pytest.approx(kendall(first, second))
        assert correlation == pytest.approx(spearman(first, second))


def test_an_interval_of_a_sample_is_scaled_to_all_networks() -> None:
    rng = np.random.default_rng(0)
    count = 3 * intervals.LIMIT
    truth = rng.normal(size=count)
    scores = truth + rng.normal(size=count)
    correlation = spearman(scores, truth)
    low, high = intervals.bootstrap(
        intervals.weighted_spearman, correlation, scores, truth, 200, rng
    )
    # The standard error of a correlation r is about (1 - r^2) / sqrt(n).
    width = 2 * 1.96 * (1 - correlation**2) / np.sqrt(count)
    assert high - low == pytest.approx(width, rel=0.25)
    assert low < correlation < high


def test_fractions_have_the_published_interval() -> None:
    # The rule of three: 0 of n is compatible with about 3.7 / n at 97.5%.
    assert intervals.fraction(0.0, 100)[1] == pytest.approx(0.0362, abs=1e-4)
    # 1 of 10, as in tables of Clopper and Pearson.
    assert intervals.fraction(0.1, 10) == pytest.approx((0.0025, 0.4450), abs=1e-4)


@pytest.mark.slow
def test_intervals_of_random_scores_cover_the_chance_level() -> None:
    covered: Counter[str] = Counter()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        scores, truth = rng.normal(size=(2, 120))
        verdict = judge(scores, 60 + 10 * truth, tops=[5, 20], step=1.0, resamples=300, seed=seed)
        for figure in verdict.figures:
            covered[figure.title] += figure.low <= figure.chance <= figure.high
    # 90 is less than 95 by 2.3 standard deviations of a binomial count of 100.
    assert len(covered) == 13
    assert min(covered.values()) >= 90, covered
    # Intervals that always cover would be too wide.
    assert covered["Kendall's tau-b"] < 100
