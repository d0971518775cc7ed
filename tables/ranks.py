"""Rank correlations and normal quantiles.

`spearman` and `normal_quantile` need numpy alone, for devices on which scipy is not installed.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray


def spearman(first: NDArray[Any], second: NDArray[Any], constant: float = math.nan) -> float:
    """Return Spearman's rank correlation of two arrays; ties get their mean rank.

    Args:
        first: Values [n].
        second: Values [n].
        constant: Result where an array is empty or constant, so that no correlation exists.

    Example:
        >>> import numpy as np
        >>> round(spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0])), 3)
        0.5
    """
    first_ranks = _mean_ranks(first)
    second_ranks = _mean_ranks(second)

    if not len(first_ranks) or min(first_ranks.std(), second_ranks.std()) == 0:
        return constant
    # scipy reads this corner; the other one may differ by a rounding error.
    return float(np.corrcoef(first_ranks, second_ranks)[1, 0])


def kendall(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return Kendall's tau-b of two arrays [n], NaN where one of them is constant."""
    # Imported on demand: scipy takes a second to load, and a measured device may lack it.
    from scipy.stats import kendalltau

    return float(kendalltau(first, second).statistic)


def normal_quantile(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantiles [n] of the standard normal distribution.

    Args:
        probabilities: Probabilities [n], each between 0 and 1 exclusively.

    Example:
        >>> import numpy as np
        >>> normal_quantile(np.array([0.5, 0.95])).round(2).tolist()
        [0.0, 1.64]
    """
    normal = NormalDist()
    return np.array([normal.inv_cdf(probability) for probability in probabilities.tolist()])


def _mean_ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    _, positions, counts = np.unique(values, return_inverse=True, return_counts=True)

    # Of tied values with ranks a to b, each gets (a + b) / 2.
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[positions]
    return ranks
