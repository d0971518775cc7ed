"""95% intervals of the figures of a ranking.

One method does not fit all of them, since a resample of the networks has no better best network
than the sample, and a count of zero stays zero in every resample: on random scores the percentile
bootstrap covers the chance level of P@top 5% of 200 networks in 76 of 100 cases, and that of BR@K
in about 60. Therefore:

- correlations: the percentile bootstrap over networks;
- fractions (P@top, P@bottom): the binomial interval of Clopper and Pearson, Biometrika 1934;
- extremes (BR, WR): the end towards the extreme is the exact bound of one minimum, the other end is
  that of the percentile bootstrap, which is an order statistic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictor.verdict.expected import Values, true_ranks
from predictor.verdict.selection import Selection

Interval: TypeAlias = tuple[float, float]

TAIL = 0.025
"""Probability beyond each end of an interval."""

LIMIT = 2048
"""Most networks that are resampled; the deviations of a sample of them are scaled to all."""

# Rows of the matrix of all pairs that are computed at once, which bounds the memory.
_ROWS = 512

Weighted: TypeAlias = Callable[[Values, Values, NDArray[np.float32]], Values]
"""Function of two arrays [n] and of counts [resamples, n] that returns figures [resamples]."""


def bootstrap(
    figure: Weighted,
    value: float,
    scores: Values,
    truth: Values,
    resamples: int,
    rng: np.random.Generator,
) -> Interval:
    """Return the percentile bootstrap interval of a correlation.

    Of more than `LIMIT` networks a random sample of that size is resampled, and deviations are
    scaled by the square root of the ratio of the sizes (the m out of n bootstrap, Bickel, Götze and
    van Zwet, Statistica Sinica 1997).

    Args:
        figure: Function that computes the correlation of resamples.
        value: The correlation of all networks, which the interval belongs to.
        scores: Scores, [n].
        truth: True values, [n].
        resamples: Number of resamples.
        rng: Source of the resamples.

    Returns:
        Both ends, from -1 to 1; NaN where no resample has a correlation.
    """
    count = len(scores)
    size = min(count, LIMIT)
    rows = np.sort(rng.permutation(count)[:size])
    weights = rng.multinomial(size, np.full(size, 1 / size), resamples).astype(np.float32)
    values = figure(scores[rows], truth[rows], weights)
    if np.isnan(values).all():
        return math.nan, math.nan

    center = float(figure(scores[rows], truth[rows], np.ones((1, size), np.float32))[0])
    low, high = np.nanquantile(values, [TAIL, 1 - TAIL]) - center
    scale = math.sqrt(size / count)

    return max(value + scale * float(low), -1.0), min(value + scale * float(high), 1.0)


def weighted_kendall(first: Values, second: Values, weights: NDArray[np.float32]) -> Values:
    """Return Kendall's tau-b of resamples, NaN where one array is constant.

    Args:
        first: Values, [n].
        second: Values, [n].
        weights: How often each network is in each resample, [resamples, n].
    """
    pairs = _unequal_pairs(first, weights) * _unequal_pairs(second, weights)
    return _divide(_agreement(first, second, weights), np.sqrt(pairs))


def weighted_top_tau(first: Values, second: Values, weights: NDArray[np.float32]) -> Values:
    """Return the figure of `expected.top_tau` of resamples of the predicted best.

    Arguments are those of `weighted_kendall`; `second` are the true values.
    """
    return _divide(_agreement(first, second, weights), _unequal_pairs(second, weights))


def weighted_spearman(first: Values, second: Values, weights: NDArray[np.float32]) -> Values:
    """Return Spearman's correlation of resamples; arguments are those of `weighted_kendall`."""
    counts = weights.astype(np.float64)
    first_ranks = _centred_ranks(first, counts)
    second_ranks = _centred_ranks(second, counts)
    products = (counts * first_ranks * second_ranks).sum(1)
    squares = (counts * first_ranks**2).sum(1) * (counts * second_ranks**2).sum(1)
    return _divide(products, np.sqrt(squares))


def fraction(value: float, count: int) -> Interval:
    """Return the interval of Clopper and Pearson of a fraction.

    Args:
        value: The fraction; the number of hits may be an expected value and need not be whole.
        count: Number of trials.

    Example:
        >>> low, high = fraction(0.0, 10)
        >>> low, round(high, 3)
        (0.0, 0.308)
    """
    from scipy.stats import beta

    hits = value * count
    misses = count - hits
    low = float(beta.ppf(TAIL, hits, misses + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - TAIL, hits + 1, misses)) if misses > 0 else 1.0
    return low, high


def best_rank(value: float, scores: Values, truth: Values, count: int) -> Interval:
    """Return the interval of BR@K.

    The lower end is exact if each of the predicted best has a truly better one than a given network
    with one power of the probability of a random network (Lehmann's alternatives): the minimum x of
    K such ranks, as a fraction, exceeds the true bound with probability 2.5%. The upper end is the
    least order statistic that is below the expected best rank of K random networks with at most
    2.5%, which the percentile bootstrap of a minimum gives as well: the fourth from K = 4 on.

    Args:
        value: BR@K, a rank from 1 to n.
        scores: Scores, [n].
        truth: True values, [n].
        count: K.

    Returns:
        Both ends, ranks from 1 to n.
    """
    selection = Selection.from_scores(scores, count)
    return _extreme_interval(value, selection, true_ranks(truth), count)


def worst_rank(value: float, scores: Values, truth: Values, count: int) -> Interval:
    """Return the interval of WR@K, the mirror image of `best_rank`."""
    total = len(scores)
    mirrored = total + 1 - true_ranks(truth)
    selection = Selection.from_scores(scores, count)
    low, high = _extreme_interval(total + 1 - value, selection, mirrored, count)
    return total + 1 - high, total + 1 - low


def _extreme_interval(
    value: float, selection: Selection, ranks: NDArray[np.int64], count: int
) -> Interval:
    total = len(ranks)
    fraction_better = (value - 1) / total
    # P(minimum >= x) = (1 - x)^k; k solves this for 2.5%, and n + 1 ranks have the mean
    # minimum (n + 1) / (k + 1).
    if fraction_better > 0:
        power = math.log(TAIL) / math.log1p(-fraction_better)
        low = max((total + 1) / (power + 1), 1.0)
    else:
        low = 1.0

    index = _order_of_upper_end(count)
    probabilities = selection.probabilities(total)
    order = np.argsort(ranks, kind="stable")
    expected_number = np.cumsum(probabilities[order])
    # Rounding of a sum of probabilities must not skip an order statistic.
    position = int(np.searchsorted(expected_number, index - 1e-9))
    high = float(ranks[order[position]]) if index <= count else float(total)

    return min(low, value), max(high, value)


def _order_of_upper_end(count: int) -> int:
    """Return the least j with P(Binomial(K, 1 / (K + 1)) >= j) <= 2.5%; K + 1 where none is."""
    from scipy.stats import binom

    tails = binom.sf(np.arange(count), count, 1 / (count + 1))
    return 1 + int((tails > TAIL).sum())


def _agreement(first: Values, second: Values, weights: NDArray[np.float32]) -> Values:
    """Return concordant minus discordant pairs of each resample, [resamples]."""
    total = np.zeros(len(weights))
    for start in range(0, len(first), _ROWS):
        rows = slice(start, start + _ROWS)
        signs = np.sign(first[:, None] - first[rows]) * np.sign(second[:, None] - second[rows])
        # Whole numbers below 2^24, which float32 holds exactly.
        partners = weights @ signs.astype(np.float32)
        total += (partners * weights[:, rows]).sum(1, dtype=np.float64)

    return total / 2


def _groups(values: Values, weights: NDArray[np.floating]) -> tuple[NDArray[np.int64], Values]:
    """Return the index of each value's group [n], and the groups' counts [resamples, groups]."""
    order = np.argsort(values, kind="stable")
    _, starts, index = np.unique(values[order], return_index=True, return_inverse=True)
    groups = np.empty(len(values), dtype=np.int64)
    groups[order] = index
    return groups, np.add.reduceat(weights[:, order], starts, axis=1, dtype=np.float64)


def _unequal_pairs(values: Values, weights: NDArray[np.float32]) -> Values:
    """Return the number of pairs of different values in each resample, [resamples]."""
    _, counts = _groups(values, weights)
    pairs: Values = (counts.sum(1) ** 2 - (counts**2).sum(1)) / 2
    return pairs


def _centred_ranks(values: Values, counts: Values) -> Values:
    """Return the ranks in each resample minus their mean, [resamples, n]; ties share their mean."""
    groups, group_counts = _groups(values, counts)
    mean_ranks = np.cumsum(group_counts, axis=1) - (group_counts - 1) / 2
    centred: Values = mean_ranks[:, groups] - (counts.sum(1, keepdims=True) + 1) / 2
    return centred


def _divide(numerator: Values, denominator: Values) -> Values:
    """Return quotients, NaN where the denominator is 0."""
    result: Values = np.full(len(numerator), math.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
