"""Confidence intervals of accuracies."""

from __future__ import annotations

import math


def wilson(top1: float, count: int, deviations: float = 1.96) -> tuple[float, float]:
    """Wilson's 95% interval of a top-1 (percent) that was counted on `count` images, in percent.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    share, z2 = top1 / 100, deviations**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = deviations / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)
