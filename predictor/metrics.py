"""How well predictions rank architectures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _both(predicted: ArrayLike, true: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    first, second = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise ValueError(
            f"predictions and values must be two equal [n], n at least 2; got {first.shape} {second.shape}"
        )
    return first, second


def kendall_tau(predicted: ArrayLike, true: ArrayLike) -> float:
    """Kendall's tau-b between predictions [n] and values [n]."""
    from scipy.stats import kendalltau

    return float(kendalltau(*_both(predicted, true)).statistic)


def spearman(predicted: ArrayLike, true: ArrayLike) -> float:
    """Spearman's rank correlation between predictions [n] and values [n]."""
    from scipy.stats import spearmanr

    return float(spearmanr(*_both(predicted, true)).statistic)


def pearson(predicted: ArrayLike, true: ArrayLike) -> float:
    """Pearson's correlation between predictions [n] and values [n]."""
    first, second = _both(predicted, true)
    return float(np.corrcoef(first, second)[0, 1])


def precision_at_k(predicted: ArrayLike, true: ArrayLike, k: int) -> float:
    """The share of the k best by prediction that are among the k best by value."""
    first, second = _both(predicted, true)
    best = set(np.argsort(-second, kind="stable")[:k].tolist())
    return len(best & set(np.argsort(-first, kind="stable")[:k].tolist())) / k


def regret(predicted: ArrayLike, true: ArrayLike) -> float:
    """By how much the best value exceeds that of the best prediction."""
    first, second = _both(predicted, true)
    return float(second.max() - second[first.argmax()])
