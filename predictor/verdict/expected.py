"""Figures of a ranking, as expected values over the orders of equal scores.

Scores of a supernet often coincide. An order of equal scores that happens to be that of a file
would decide which of them belong to the best; each function here returns the mean over all
orders, in closed form.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from predictor.verdict.selection import Selection

Values = NDArray[np.float64]


def precision(scores: Values, truth: Values, count: int) -> float:
    """Return the expected fraction of the predicted best that is among the true best (P@top K).

    Args:
        scores: Scores, [n]; greater is better.
        truth: True values, [n]; greater is better. Equal ones have no order either.
        count: Number of the best, from 1 to n.

    Example:
        >>> import numpy as np
        >>> precision(np.array([2.0, 1.0, 1.0]), np.array([9.0, 8.0, 7.0]), 2)
        0.75
    """
    predicted = Selection.from_scores(scores, count).probabilities(len(scores))
    true = Selection.from_scores(truth, count).probabilities(len(truth))
    # The orders of equal scores and of equal true values are independent.
    return float(predicted @ true) / count


def true_ranks(truth: Values) -> NDArray[np.int64]:
    """Return 1 plus the number of networks that are truly better, [n]; equal values share it."""
    ascending = np.sort(-truth)
    return 1 + np.searchsorted(ascending, -truth, side="left")


def best_rank(scores: Values, truth: Values, count: int) -> float:
    """Return the expected true rank of the best among the predicted best (BR@K).

    Args:
        scores: Scores, [n]; greater is better.
        truth: True values, [n]; greater is better.
        count: Number of the predicted best, from 1 to n.

    Returns:
        A rank from 1 to n; see `true_ranks`.

    Example:
        >>> import numpy as np
        >>> best_rank(np.array([1.0, 1.0, 0.0]), np.array([7.0, 8.0, 9.0]), 1)
        2.5
    """
    return _expected_minimum(Selection.from_scores(scores, count), true_ranks(truth))


def worst_rank(scores: Values, truth: Values, count: int) -> float:
    """Return the expected true rank of the worst among the predicted best (WR@K).

    Arguments and result are those of `best_rank`.

    Example:
        >>> import numpy as np
        >>> worst_rank(np.array([2.0, 1.0, 0.0]), np.array([7.0, 8.0, 9.0]), 2)
        3.0
    """
    return -_expected_minimum(Selection.from_scores(scores, count), -true_ranks(truth))


def _expected_minimum(selection: Selection, values: NDArray[np.int64]) -> float:
    """Return the expected minimum of values [n] over the selected rows."""
    certain = float(values[selection.certain].min()) if len(selection.certain) else math.inf
    if not selection.num_from_tied:
        return certain

    # Of m tied values in ascending order a random subset of a has its minimum at the i-th
    # (from 0) with probability C(m - i - 1, a - 1) / C(m, a): the first i are not in it.
    ascending = np.sort(values[selection.tied]).astype(np.float64)
    num_tied = len(ascending)
    remaining = num_tied - np.arange(num_tied)
    is_next = np.minimum(selection.num_from_tied / remaining, 1.0)
    none_before = np.concatenate([[1.0], np.cumprod(1 - is_next[:-1])])
    return float((none_before * is_next) @ np.minimum(ascending, certain))


def top_tau(scores: Values, truth: Values, count: int) -> float:
    """Return Kendall's tau inside the predicted best: expected agreement over expected pairs.

    The pairs are those of different true values; two equal scores agree and disagree equally often
    over their orders. Without equal true values this is the expected tau.

    Args:
        scores: Scores, [n]; greater is better.
        truth: True values, [n]; greater is better.
        count: Number of the predicted best, from 1 to n.

    Returns:
        A number from -1 to 1; NaN where no pair has different true values.

    Example:
        >>> import numpy as np
        >>> top_tau(np.array([4.0, 3.0, 2.0, 1.0]), np.array([9.0, 7.0, 8.0, 1.0]), 3)
        0.3333333333333333
    """
    selection = Selection.from_scores(scores, count)
    certain = truth[selection.certain]
    tied = truth[selection.tied]
    agreement = concordance(scores[selection.certain], certain)
    pairs = _unequal_pairs(certain)
    if selection.num_from_tied:
        # Every certain row scores above every tied one.
        ascending = np.sort(certain)
        below = np.searchsorted(ascending, tied, side="left").sum()
        not_above = np.searchsorted(ascending, tied, side="right").sum()
        above = len(certain) * len(tied) - not_above
        probability = selection.tied_probability
        agreement += probability * float(above - below)
        pairs += probability * float(above + below)

        # Both of two tied rows are selected with a (a - 1) / (m (m - 1)).
        num_tied = len(tied)
        both = probability * (selection.num_from_tied - 1) / max(num_tied - 1, 1)
        pairs += both * _unequal_pairs(tied)
    return agreement / pairs if pairs else math.nan


def concordance(first: Values, second: Values) -> float:
    """Return the number of concordant pairs minus that of discordant pairs of two arrays [n]."""
    pairs = _unequal_pairs(first) * _unequal_pairs(second)
    if not pairs:
        return 0.0
    from tables.ranks import kendall

    # scipy counts in n log n but returns tau-b, whose denominator is undone here.
    return float(round(kendall(first, second) * math.sqrt(pairs)))


def _unequal_pairs(values: Values) -> float:
    """Return the number of pairs of different values."""
    _, counts = np.unique(values, return_counts=True)
    total = len(values)
    return float(total * (total - 1) - (counts * (counts - 1)).sum()) / 2
