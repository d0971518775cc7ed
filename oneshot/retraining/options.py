"""RetrainOptions: what a retraining does beside its recipe."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass
from typing import Any

from oneshot.data.augmented import Augmented
from oneshot.data.split import Split
from oneshot.errors import InvalidOption


def augmented(split: Split, options: RetrainOptions) -> Augmented:
    """A split's training images with the colour jitter and the cutout of a retraining."""
    how = split.augmentation
    if options.colour_jitter is not None:
        how = dataclasses.replace(how, jitter=options.colour_jitter)
    if options.cutout is not None:
        how = dataclasses.replace(how, cutout=options.cutout)
    return Augmented(split, how)


@dataclass(frozen=True)
class RetrainOptions:
    """Regularisation of a retraining, and its last pass.

    Args:
        augment: whether training images are augmented as their data set is by default.
        colour_jitter: brightness, contrast and saturation are scaled by factors in 1 +- this; None:
            the data set's.
        cutout: side in pixels of a square that is blanked (arXiv 1708.04552); None: the data set's,
            which is 0.
        mixup: of images in pairs, the alpha of arXiv 1710.09412; 0: none.
        ema: decay of a moving average of the weights, which is what is delivered; 0: none.
        drop_path: greatest chance that an operation of a cell is left out, reached linearly at the
            training's end.
        auxiliary: weight of the loss of an auxiliary head, which is left out of the delivered
            network; 0: no head.
        norm_batches: batches of training images of which normalisation's statistics are computed at
            the end.
    """

    augment: bool = True
    colour_jitter: float | None = None
    cutout: int | None = None
    mixup: float = 0.0
    ema: float = 0.0
    drop_path: float = 0.0
    auxiliary: float = 0.0
    norm_batches: int = 200

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
        if not self.augment and (self.cutout or self.colour_jitter):
            raise InvalidOption(
                "cutout and colour_jitter are parts of augmentation: leave out --no-augment"
            )
        if self.norm_batches < 1:
            raise InvalidOption(f"norm_batches must be at least 1, not {self.norm_batches}")

    def to_dict(self) -> dict[str, Any]:
        """Name -> value."""
        return asdict(self)
