"""Figures of how well predictions rank architectures."""

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

# Rows that are compared with all others at once, which bounds the memory.
_ROWS = 512


def tau_standard_error(predicted: ArrayLike, true: ArrayLike) -> float:
    """Estimate the standard error of Kendall's tau by the jackknife.

    It is the deviation of tau between samples of n architectures from one population: about 0.1
    for 48 architectures and a tau of 0.4.

    Args:
        predicted: Predictions, [n].
        true: Values, [n].

    Returns:
        The standard error; NaN for fewer than 3 architectures.
    """
    first = np.asarray(predicted, dtype=float)
    second = np.asarray(true, dtype=float)
    count = len(first)
    if count < 3:
        return math.nan

    # Concordant minus discordant pairs of each architecture with all others.
    concordance = np.empty(count)
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        concordance[rows] = (_signs(first, rows) * _signs(second, rows)).sum(1)

    # Tau without each architecture: its pairs are subtracted from the sum over all pairs.
    without = (concordance.sum() / 2 - concordance) / ((count - 1) * (count - 2) / 2)
    return float(np.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))


def _signs(values: NDArray[np.float64], rows: slice) -> NDArray[np.float64]:
    return np.sign(values[rows, None] - values)


def _both(predicted: ArrayLike, true: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return predictions and values as arrays [n], checked."""
    first = np.asarray(predicted, dtype=float)
    second = np.asarray(true, dtype=float)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise InvalidValues(
            f"predictions and values must be two equal [n], n at least 2; got {first.shape}"
            f" {second.shape}"
        )

    # A NaN would be ranked somewhere without notice.
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InvalidValues("predictions and values must be finite")

    return first, second


def _varied(first: NDArray[Any], second: NDArray[Any]) -> bool:
    # scipy would warn and numpy divide by zero, but a predictor that learned nothing is not the
    # caller's fault.
    return bool(np.ptp(first) > 0 and np.ptp(second) > 0)


def kendall_tau(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return Kendall's tau-b of predictions and values [n]; NaN where one is constant."""
    first, second = _both(predicted, true)
    return ranks.kendall(first, second) if _varied(first, second) else math.nan


def spearman(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return Spearman's correlation of predictions and values [n]; NaN where one is constant."""
    first, second = _both(predicted, true)
    return ranks.spearman(first, second)


def pearson(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return Pearson's correlation of predictions and values [n]; NaN where one is constant."""
    first, second = _both(predicted, true)
    return float(np.corrcoef(first, second)[0, 1]) if _varied(first, second) else math.nan


def precision_at_k(predicted: ArrayLike, true: ArrayLike, k: int) -> float:
    """Return the fraction of the k best by prediction that are among the k best by value.

    Args:
        predicted: Predictions, [n].
        true: Values, [n].
        k: From 1 to n.
    """
    first, second = _both(predicted, true)
    best = set(_best(second, k).tolist())
    return len(best & set(_best(first, k).tolist())) / k


def best_rank_at_k(predicted: ArrayLike, true: ArrayLike, k: int) -> int:
    """Return the rank by value, from 1, of the best among the k best by prediction (N@K).

    Args:
        predicted: Predictions, [n].
        true: Values, [n].
        k: From 1 to n.
    """
    first, second = _both(predicted, true)
    return 1 + int((second > second[_best(first, k)].max()).sum())


def _best(values: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Return the indices of the k greatest of values [n]."""
    if not 1 <= k <= len(values):
        raise InvalidValues(f"k must be from 1 to the {len(values)} values, not {k}")
    indices: NDArray[np.int64] = np.argsort(-values, kind="stable")[:k]
    return indices


def regret(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return the best value minus the value of the best prediction."""
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
"""Name of each figure of `figures` -> its title."""


def figures(predicted: ArrayLike, true: ArrayLike) -> dict[str, float]:
    """Compute the figures that papers report of a predictor.

    Args:
        predicted: Predictions, [n].
        true: Values, [n]; greater is better.

    Returns:
        Name of `FIGURES` -> number. With fewer than 10 values, "at 10" is at n.
    """
    k = min(_TOP, np.size(true))
    return {
        "kendall_tau": kendall_tau(predicted, true),
        "spearman": spearman(predicted, true),
        "pearson": pearson(predicted, true),
        "regret": regret(predicted, true),
        f"precision_at_{_TOP}": float(precision_at_k(predicted, true, k)),
        f"best_rank_at_{_TOP}": float(best_rank_at_k(predicted, true, k)),
    }


def ranking_figures(
    predictor: Predictor, codes: Codes, values: NDArray[np.float64]
) -> dict[str, float | None]:
    """Measure how well a predictor ranks architectures.

    Args:
        predictor: A fitted predictor.
        codes: Codes of the architectures, [n, choices].
        values: Their true values, [n]; greater is better.

    Returns:
        The figures of `figures` and the standard error of Kendall's tau; None in place of NaN,
        which a constant prediction gives and JSON cannot represent.
    """
    mean, _ = predictor.predict(codes)
    measured = {**figures(mean, values), "kendall_tau_error": tau_standard_error(mean, values)}
    return {name: value if math.isfinite(value) else None for name, value in measured.items()}
