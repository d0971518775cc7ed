"""How a retraining augments its images."""

from __future__ import annotations

import dataclasses

from oneshot.data.augmented import Augmented
from oneshot.data.split import Split
from oneshot.retraining.options import RetrainOptions


def augmented(split: Split, options: RetrainOptions) -> Augmented:
    """A split's training images with the colour jitter and the cutout of a retraining."""
    how = split.augmentation
    if options.colour_jitter is not None:
        how = dataclasses.replace(how, jitter=options.colour_jitter)
    if options.cutout is not None:
        how = dataclasses.replace(how, cutout=options.cutout)
    return Augmented(split, how)
