"""How well predictions rank architectures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.errors import InvalidValues
from tables import ranks

if TYPE_CHECKING:
    from predictor.base import Predictor
    from spaces.space import Codes

_ROWS = 512  # that are compared with all at once


def tau_error(predicted: ArrayLike, true: ArrayLike) -> float:
    """The standard error of Kendall's tau between predictions [n] and values [n], by the jackknife;
    NaN below 3.

    It is what tau deviates by between samples of n architectures from one population: with 48 of
    them about .1 where tau is .4.
    """
    first, second = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    count = len(first)
    if count < 3:
        return math.nan
    concordance = np.empty(count)  # of each with all others, summed
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        concordance[rows] = (_signs(first, rows) * _signs(second, rows)).sum(1)
    # Tau without one of them: its pairs are taken off the sum over all.
    without = (concordance.sum() / 2 - concordance) / ((count - 1) * (count - 2) / 2)
    return float(np.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))


def _signs(values: NDArray[np.float64], rows: slice) -> NDArray[np.float64]:
    return np.sign(values[rows, None] - values)


def _both(predicted: ArrayLike, true: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    first, second = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise InvalidValues(
            f"predictions and values must be two equal [n], n at least 2; got {first.shape}"
            f" {second.shape}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InvalidValues("predictions and values must be finite")
    return first, second


def _varied(first: NDArray[Any], second: NDArray[Any]) -> bool:
    # scipy would warn and numpy divide by zero; a predictor that learned nothing is no fault of the
    # caller.
    return bool(np.ptp(first) > 0 and np.ptp(second) > 0)


def kendall_tau(predicted: ArrayLike, true: ArrayLike) -> float:
    """Kendall's tau-b between predictions [n] and values [n]; NaN where one of them is constant."""
    first, second = _both(predicted, true)
    return ranks.kendall(first, second) if _varied(first, second) else math.nan


def spearman(predicted: ArrayLike, true: ArrayLike) -> float:
    """Spearman's rank correlation between predictions [n] and values [n]; NaN where one of them is
    constant.
    """
    first, second = _both(predicted, true)
    return ranks.spearman(first, second)


def pearson(predicted: ArrayLike, true: ArrayLike) -> float:
    """Pearson's correlation between predictions [n] and values [n]; NaN where one of them is
    constant.
    """
    first, second = _both(predicted, true)
    return float(np.corrcoef(first, second)[0, 1]) if _varied(first, second) else math.nan


def precision_at_k(predicted: ArrayLike, true: ArrayLike, k: int) -> float:
    """The share of the k best by prediction that are among the k best by value; k from 1 to n."""
    first, second = _both(predicted, true)
    best = set(_best(second, k).tolist())
    return len(best & set(_best(first, k).tolist())) / k


def best_rank_at_k(predicted: ArrayLike, true: ArrayLike, k: int) -> int:
    """The rank by value, from 1, of the best among the k best by prediction (N@K); k from 1 to
    n.
    """
    first, second = _both(predicted, true)
    return 1 + int((second > second[_best(first, k)].max()).sum())


def _best(values: NDArray[Any], k: int) -> NDArray[np.int64]:
    """The places of the k greatest of values [n]: [k]."""
    if not 1 <= k <= len(values):
        raise InvalidValues(f"k must be from 1 to the {len(values)} values, not {k}")
    places: NDArray[np.int64] = np.argsort(-values, kind="stable")[:k]
    return places


def regret(predicted: ArrayLike, true: ArrayLike) -> float:
    """By how much the best value exceeds that of the best prediction."""
    first, second = _both(predicted, true)
    return float(second.max() - second[first.argmax()])


_TOP = 10


FIGURES = {
    "kendall_tau": "Kendall's tau",
    "spearman": "Spearman's correlation",
    "pearson": "Pearson's correlation",
    "regret": "Regret",
    f"precision_at_{_TOP}": f"Precision at {_TOP}",
    f"best_rank_at_{_TOP}": f"Rank of the best among the first {_TOP}",
}
"""What `figures` tells, and how it is called in a title."""


def figures(predicted: ArrayLike, true: ArrayLike) -> dict[str, float]:
    """What the papers report of predictions [n] of values [n]: the names of `FIGURES` with their
    numbers.

    Where there are fewer than 10 values, "at 10" is at as many as there are.
    """
    k = min(_TOP, np.size(true))
    top = float(precision_at_k(predicted, true, k)), float(best_rank_at_k(predicted, true, k))
    correlations = kendall_tau(predicted, true), spearman(predicted, true), pearson(predicted, true)
    return dict(zip(FIGURES, (*correlations, regret(predicted, true), *top), strict=True))


def ranking_figures(
    predictor: Predictor, codes: Codes, values: NDArray[np.float64]
) -> dict[str, float | None]:
    """Measure how well a predictor ranks architectures.

    Args:
        predictor: A fitted predictor.
        codes: Codes of the architectures, [n, choices].
        values: Their true values, [n]; greater is better.

    Returns:
        The figures of `figures` and the standard error of Kendall's tau. None
        stands for NaN, the figure of a constant prediction, which JSON cannot represent.
    """
    mean, _ = predictor.predict(codes)
    measured = {**figures(mean, values), "kendall_tau_error": tau_error(mean, values)}
    return {name: value if math.isfinite(value) else None for name, value in measured.items()}
