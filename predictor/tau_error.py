"""How far Kendall's tau on a few architectures can be off by chance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROWS = 512  # that are compared with all at once


def tau_error(predicted: ArrayLike, true: ArrayLike) -> float:
    """The standard error of Kendall's tau between predictions [n] and values [n], by the jackknife; NaN below 3.

    It is what tau deviates by between samples of n architectures from one population: with 48 of them about .1 where
    tau is .4.
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
