"""Training images on which the ranges of quantised networks are calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from oneshot.evaluation.images import sample_rows

if TYPE_CHECKING:
    from oneshot.data.split import Split

CALIBRATION_IMAGES = 500
"""Number of training images that ranges are calibrated on."""

_BATCH = 100


def calibration_batches(train: Split, count: int = CALIBRATION_IMAGES, seed: int = 0) -> list[Any]:
    """Return the inputs of sampled training images without augmentation, in batches.

    Args:
        train: Training part of a data set.
        count: Number of images; smaller parts are used whole.
        seed: Seed of the sample.
    """
    # Sorted, so that files are read in their order.
    rows = np.sort(sample_rows(len(train), count, seed))
    return [inputs for inputs, _ in train.batches(_BATCH, rows)]
