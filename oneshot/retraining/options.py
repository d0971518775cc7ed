"""Regularisation of a retraining, in addition to its recipe."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass
from typing import Any

from oneshot.data.augmented import Augmented
from oneshot.data.split import Split
from oneshot.errors import InvalidOption


def augmented(split: Split, options: RetrainOptions) -> Augmented:
    """Return a split with the colour jitter, the cutout and the mosaics of a retraining."""
    augmentation = split.augmentation
    if options.colour_jitter is not None:
        augmentation = dataclasses.replace(augmentation, jitter=options.colour_jitter)
    if options.cutout is not None:
        augmentation = dataclasses.replace(augmentation, cutout=options.cutout)
    if options.mosaic:
        augmentation = dataclasses.replace(augmentation, mosaic=options.mosaic)
    return Augmented(split, augmentation)


@dataclass(frozen=True)
class RetrainOptions:
    """Regularisation of a retraining, and its final pass.

    Args:
        augment: Whether training images are augmented as by default for their data set.
        colour_jitter: Half-width of the interval around 1 of the factors of brightness, contrast
            and saturation; None for the data set's.
        cutout: Side in pixels of a masked square (arXiv 1708.04552); None for the data set's, 0.
        mixup: Parameter alpha of mixup (arXiv 1710.09412); 0 for no mixup.
        ema: Decay of the weights' moving average, which is the final network; 0 for no average.
        drop_path: Probability that an operation of a cell is dropped at the end of the training, to
            which it rises linearly from 0.
        auxiliary: Weight of the loss of an auxiliary head, which the final network lacks; 0 for no
            head.
        average_after: Number of epochs without a better score on the validation part after which
            the weights of all later updates are averaged, which is the final network (AWD-LSTM's
            averaged SGD, arXiv 1708.02182, section 3); 0 for no average.
        mosaic: Probability that four images with boxes or masks share the input.
        norm_batches: Number of batches of training images in the final pass, which computes the
            statistics of batch normalisation; 0 for no pass, so that those of the updates stay.

    Raises:
        InvalidOption: A value is out of its range.
    """

    augment: bool = True
    colour_jitter: float | None = None
    cutout: int | None = None
    mixup: float = 0.0
    ema: float = 0.0
    drop_path: float = 0.0
    auxiliary: float = 0.0
    norm_batches: int = 200
    average_after: int = 0
    mosaic: float = 0.0

    def __post_init__(self) -> None:
        for name in ("ema", "drop_path"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidOption(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        for name in ("mixup", "auxiliary", "cutout"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InvalidOption(f"{name} must be at least 0, not {value}")
        if self.colour_jitter is not None and not 0 <= self.colour_jitter <= 1:
            raise InvalidOption(f"colour_jitter must lie in [0, 1], not {self.colour_jitter}")
        if not 0 <= self.mosaic <= 1:
            raise InvalidOption(f"mosaic must lie in [0, 1], not {self.mosaic}")
        if not self.augment and (self.cutout or self.colour_jitter):
            raise InvalidOption("cutout and colour_jitter are augmentations: remove --no-augment")
        if not self.augment and self.mosaic:
            raise InvalidOption("mosaic is an augmentation: remove --no-augment")
        for name in ("norm_batches", "average_after"):
            if getattr(self, name) < 0:
                raise InvalidOption(f"{name} must be at least 0, not {getattr(self, name)}")
        if self.ema and self.average_after:
            raise InvalidOption("ema and average_after both average the weights: leave out one")

        # The statistics of the updates belong to the weights before averaging.
        averaging = "ema" if self.ema else "average_after" if self.average_after else None
        if averaging and not self.norm_batches:
            raise InvalidOption(f"norm_batches must be at least 1 with {averaging}, not 0")

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name."""
        values = asdict(self)
        # Absent without them, as in runs that were recorded before they existed.
        for name in ("average_after", "mosaic"):
            if not values[name]:
                del values[name]
        return values
