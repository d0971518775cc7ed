"""Judging estimators: a verdict from scores and true values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from predictor.errors import InvalidValues, TooFewArchitectures
from predictor.metrics import kendall_tau
from predictor.verdict import expected, intervals
from predictor.verdict.expected import Values
from predictor.verdict.intervals import Interval
from predictor.verdict.selection import Selection
from predictor.verdict.verdict import Figure, Verdict
from tables import ranks

DEFAULT_TOPS = (0.1, 1.0, 5.0)
"""Percentages of the networks that count as the best, unless others are requested."""

FEWEST_NETWORKS = 10
"""Fewest networks that a verdict is based on."""

# Fewest networks whose correlation has a bootstrap interval: fewer have hardly any resamples.
_FEWEST_TO_RESAMPLE = 6


def judge(
    scores: ArrayLike,
    truth: ArrayLike,
    tops: Sequence[float] = DEFAULT_TOPS,
    step: float | None = None,
    subject: str = "this estimator",
    resamples: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Judge the ranking of networks by an estimator.

    Each figure has its value, a 95% interval and its chance level, the expected value for random
    scores. Equal scores have no order: Kendall's tau-b leaves their pairs out of its denominator,
    Spearman's correlation gives them their mean rank, and figures of the best or worst are expected
    values over all orders. The intervals are explained in `predictor.verdict.intervals`.

    Args:
        scores: Scores by the estimator, [n]; greater is better.
        truth: True values, [n]; greater is better.
        tops: Percentages of the networks that count as the best and worst, above 0 to 100. Those
            that amount to the same number of networks are judged once.
        step: Unit to which true values are rounded for the sparse Kendall's tau, 1 for percent.
            None: the verdict has no sparse Kendall's tau.
        subject: Estimator that the scores come from, for the sentence.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resamples.

    Raises:
        TooFewArchitectures: There are fewer than 10 networks.
        InvalidValues: The arrays differ in shape or are not finite, or a percentage is out of
            range.

    Example:
        >>> import numpy as np
        >>> from predictor.verdict import judge
        >>> truth = np.arange(100.0)
        >>> verdict = judge(-np.abs(truth - 90), truth, tops=[5])
        >>> verdict.figure("precision_top", 5).value
        0.0
        >>> verdict.sentence().partition(";")[0]
        'of the 5% that this estimator prefers (5 of 100), the best is truly among the first 8.0%'
    """
    score_values, true_values = _checked(scores, truth, tops)
    rng = np.random.default_rng(seed)
    figures = list(_correlations(score_values, true_values, step, resamples, rng))
    num_networks = len(score_values)

    # Two percentages of few networks may amount to the same number, whose figures are equal.
    percents: dict[int, float] = {}
    for percent in tops:
        percents.setdefault(max(round(percent / 100 * num_networks), 1), percent)

    for count, percent in percents.items():
        figures += _figures_of_best(score_values, true_values, percent, count, resamples, rng)

    _, frequencies = np.unique(score_values, return_counts=True)
    num_tied = int(frequencies[frequencies > 1].sum())

    return Verdict(num_networks, num_tied, figures, subject)


def _checked(scores: ArrayLike, truth: ArrayLike, tops: Sequence[float]) -> tuple[Values, Values]:
    score_values = np.asarray(scores, dtype=np.float64)
    true_values = np.asarray(truth, dtype=np.float64)
    if score_values.shape != true_values.shape or score_values.ndim != 1:
        raise InvalidValues(
            "scores and true values must be two equal [n], not"
            f" {list(score_values.shape)} and {list(true_values.shape)}"
        )

    if len(score_values) < FEWEST_NETWORKS:
        raise TooFewArchitectures(
            f"a verdict needs at least {FEWEST_NETWORKS} networks with a true value; got"
            f" {len(score_values)}"
        )

    if not (np.isfinite(score_values).all() and np.isfinite(true_values).all()):
        raise InvalidValues("scores and true values must be finite")

    for percent in tops:
        if not 0 < percent <= 100:
            raise InvalidValues(f"tops: a percentage is above 0 and at most 100, not {percent:g}")

    if not tops:
        raise InvalidValues("tops: at least one percentage is needed, such as 5")

    return score_values, true_values


def _correlations(
    scores: Values, truth: Values, step: float | None, resamples: int, rng: np.random.Generator
) -> Iterator[Figure]:
    """Yield the correlations of all networks, whose chance level is 0."""
    tau = kendall_tau(scores, truth)
    interval = intervals.bootstrap(intervals.weighted_kendall, tau, scores, truth, resamples, rng)
    yield Figure("kendall_tau", tau, *interval, chance=0.0)
    if step is not None:
        sparse = np.round(truth / step)
        tau = kendall_tau(scores, sparse)
        interval = intervals.bootstrap(
            intervals.weighted_kendall, tau, scores, sparse, resamples, rng
        )
        yield Figure("sparse_kendall_tau", tau, *interval, chance=0.0)

    correlation = ranks.spearman(scores, truth)
    interval = intervals.bootstrap(
        intervals.weighted_spearman, correlation, scores, truth, resamples, rng
    )
    yield Figure("spearman", correlation, *interval, chance=0.0)


def _figures_of_best(
    scores: Values,
    truth: Values,
    percent: float,
    count: int,
    resamples: int,
    rng: np.random.Generator,
) -> Iterator[Figure]:
    """Yield the figures of the `count` best and worst networks."""
    # The expected value over the orders of scores that are all equal is that of random scores.
    random = np.zeros_like(scores)
    total = len(scores)

    for name, sign in (("precision_top", 1), ("precision_bottom", -1)):
        value = expected.precision(sign * scores, sign * truth, count)
        chance = expected.precision(random, sign * truth, count)
        yield Figure(name, value, *intervals.fraction(value, count), chance, percent, count)

    rank = expected.best_rank(scores, truth, count)
    interval = intervals.best_rank(rank, scores, truth, count)
    chance = expected.best_rank(random, truth, count)
    yield _rank_figure("best_rank", (rank, *interval, chance), total, percent, count)

    rank = expected.worst_rank(scores, truth, count)
    interval = intervals.worst_rank(rank, scores, truth, count)
    chance = expected.worst_rank(random, truth, count)
    yield _rank_figure("worst_rank", (rank, *interval, chance), total, percent, count)

    tau = expected.top_tau(scores, truth, count)
    interval = _top_tau_interval(tau, scores, truth, count, resamples, rng)
    yield Figure("kendall_tau_top", tau, *interval, 0.0, percent, count)


def _rank_figure(
    name: str, ranks_of: tuple[float, float, float, float], total: int, percent: float, count: int
) -> Figure:
    value, low, high, chance = (rank / total for rank in ranks_of)
    return Figure(name, value, low, high, chance, percent, count)


def _top_tau_interval(
    tau: float,
    scores: Values,
    truth: Values,
    count: int,
    resamples: int,
    rng: np.random.Generator,
) -> Interval:
    if count < _FEWEST_TO_RESAMPLE or math.isnan(tau):
        return math.nan, math.nan

    # The best of one order of equal scores are resampled; the interval belongs to the expectation.
    selection = Selection.from_scores(scores, count)
    from_tied = rng.permutation(selection.tied)[: selection.num_from_tied]
    rows = np.concatenate([selection.certain, from_tied])
    if np.ptp(scores[rows]) == 0:
        return math.nan, math.nan

    return intervals.bootstrap(
        intervals.weighted_top_tau, tau, scores[rows], truth[rows], resamples, rng
    )
