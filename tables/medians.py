"""The errors of medians, by the spread of the values that they are of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

NORMAL_IQR = 1.349
"""Inter-quartile range of a normal distribution with the deviation 1."""

# Standard error of the median of normally distributed values, in deviations / sqrt(values).
_MEDIAN_ERROR = math.sqrt(math.pi / 2)


def relative_errors(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Compute the standard errors of medians, relative to the medians.

    The deviation is that of a normal distribution with the same inter-quartile range, which single
    outliers do not change.

    Args:
        values: Positive values, float array [..., n].

    Returns:
        Errors [...].

    Example:
        >>> import numpy as np
        >>> from tables.medians import relative_errors
        >>> relative_errors(np.array([[2.0, 2.0, 2.0], [1.9, 2.0, 2.1]])).round(3).tolist()
        [0.0, 0.027]
    """
    low, middle, high = np.percentile(values, [25, 50, 75], axis=-1)
    deviations = (high - low) / NORMAL_IQR
    errors: NDArray[np.float64] = _MEDIAN_ERROR * deviations / math.sqrt(values.shape[-1]) / middle
    return errors
