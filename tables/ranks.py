"""Rank correlation in numpy, for devices on which scipy is not installed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's coefficient of two arrays [n], ties at their mean rank; 0 where one of them is
    constant.
    """
    one, other = _ranks(first), _ranks(second)
    if not len(one) or min(one.std(), other.std()) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
