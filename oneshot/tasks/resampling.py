"""Intervals over images by the bootstrap (Efron, Annals of Statistics 1979)."""

from __future__ import annotations

import numpy as np

SAMPLES = 1000
"""Number of samples of images with replacement."""


def resampled(count: int, samples: int = SAMPLES, seed: int = 0) -> np.ndarray:
    """Return how often each image is in each sample, float64 [samples, count].

    Args:
        count: Number of images, which is that of each sample too.
        samples: Number of samples.
        seed: Seed of the samples.

    Example:
        >>> resampled(5, samples=2).sum(1).tolist()
        [5.0, 5.0]
    """
    rng = np.random.default_rng(seed)
    counts: np.ndarray = rng.multinomial(count, np.full(count, 1 / count), samples)
    return counts.astype(np.float64)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the interval that holds 95% of the values of samples."""
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)
