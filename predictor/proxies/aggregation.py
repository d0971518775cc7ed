"""Combine several proxies into one ranking, without any accuracy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InvalidValues

Columns = Mapping[str, NDArray[np.float64]]
"""Name of a proxy -> values [n] of the same architectures; greater is better."""


def log_rank_sum(columns: Columns) -> NDArray[np.float64]:
    """Sum log(rank / n) over proxies; the worst rank is 1, and equal values share their mean rank.

    The logarithm punishes an architecture that is bad by one proxy more than it rewards one that is
    good by another. Lee and Ham, AZ-NAS, CVPR 2024 (arXiv 2403.19232), eq. 1.

    Example:
        >>> log_rank_sum({"a": np.array([1.0, 2.0]), "b": np.array([5.0, 7.0])}).round(3).tolist()
        [-1.386, 0.0]
    """
    total: NDArray[np.float64] = np.log(_ranks(columns) / _count(columns)).sum(0)
    return total


def rank_sum(columns: Columns) -> NDArray[np.float64]:
    """Average rank / n over proxies, in (0, 1].

    Example:
        >>> rank_sum({"a": np.array([1.0, 2.0]), "b": np.array([5.0, 7.0])}).tolist()
        [0.5, 1.0]
    """
    mean: NDArray[np.float64] = _ranks(columns).mean(0) / _count(columns)
    return mean


def first_component(columns: Columns) -> NDArray[np.float64]:
    """Project the ranks on their first principal component.

    Its weights favour proxies that agree with many others. Its sign is that with which most of the
    weight is positive, since every proxy promises better accuracy where it is greater.

    Example:
        >>> a = np.array([1.0, 2.0, 3.0])
        >>> first_component({"a": a, "b": a, "c": -a}).round(2).tolist()
        [-2.12, 0.0, 2.12]
    """
    ranks = _ranks(columns)
    deviation = ranks.std(1, keepdims=True)
    # A constant proxy has no direction.
    scores = (ranks - ranks.mean(1, keepdims=True)) / np.where(deviation > 0, deviation, 1.0)
    weights = np.linalg.eigh(scores @ scores.T)[1][:, -1]
    if weights.sum() < 0:
        weights = -weights
    component: NDArray[np.float64] = weights @ scores
    return component


def _count(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _ranks(columns: Columns) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    sizes = {name: len(values) for name, values in columns.items()}
    if not sizes or min(sizes.values()) != max(sizes.values()) or not min(sizes.values()):
        raise InvalidValues(f"an aggregation needs columns of the same size, not {sizes}")
    ranks: NDArray[np.float64] = rankdata(np.stack(list(columns.values())), axis=1)
    return ranks
