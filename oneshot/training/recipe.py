"""Recipes: optimizer, schedule and length of a training."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from oneshot.errors import InvalidOption

SCHEDULES = ("linear", "cosine", "constant")
OPTIMIZERS = ("sgd", "adamw")


@dataclass(frozen=True)
class Recipe:
    """An optimizer with a learning rate that falls to 0.

    The defaults suit data sets of a few thousand small images.

    Args:
        epochs: Number of passes over the training images; `steps` takes precedence.
        batch_size: Images per update, over all devices and accumulated batches together.
        learning_rate: Learning rate of the first update after the warm-up.
        momentum: Momentum of SGD, or AdamW's decay of the mean gradient.
        weight_decay: Decay of weights with more than one dimension; the others are not decayed.
        label_smoothing: Label smoothing of the cross-entropy.
        steps: Number of updates of the whole training; None: `epochs` determines it.
        schedule: Course of the learning rate over the updates: `linear` or `cosine` to 0, or
            `constant`.
        warmup: Number of updates over which the rate first rises linearly from near 0.
        clip: Maximum norm of the gradient of an update of the weights; None: gradients are not
            clipped.
        nesterov: Whether the momentum of SGD is Nesterov's.
        optimizer: `sgd`, or `adamw` (Loshchilov and Hutter, ICLR 2019, arXiv 1711.05101), which
            transformers need.
    """

    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 4e-5
    label_smoothing: float = 0.1
    steps: int | None = None
    schedule: str = "linear"
    warmup: int = 0
    clip: float | None = None
    nesterov: bool = False
    optimizer: str = "sgd"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "steps", "clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InvalidOption(f"{name} must be positive, not {value}")
        for name in ("weight_decay", "warmup"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} must be at least 0, not {getattr(self, name)}")
        for name in ("label_smoothing", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidOption(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        if self.schedule not in SCHEDULES:
            raise InvalidOption(
                f"schedule must be one of {', '.join(SCHEDULES)}, not {self.schedule!r}"
            )
        if self.optimizer not in OPTIMIZERS:
            raise InvalidOption(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, not {self.optimizer!r}"
            )
        if self.nesterov and not self.momentum:
            raise InvalidOption("nesterov needs a momentum above 0")

    def updates(self, steps_per_epoch: int) -> int:
        """Return the number of updates of the whole training.

        Args:
            steps_per_epoch: Number of updates per epoch.

        Raises:
            InvalidOption: The warm-up is longer than the training.
        """
        count = self.steps if self.steps is not None else self.epochs * steps_per_epoch
        if self.warmup >= count:
            raise InvalidOption(
                f"warmup must be less than the training's {count} updates, not {self.warmup}"
            )
        return count

    def rate_fraction(self, step: int, steps: int) -> float:
        """Return the learning rate of an update as a fraction of `learning_rate`.

        Args:
            step: Number of the update, from 0.
            steps: Number of updates of the whole training.
        """

        # A warm-up of n updates has n values between 0 and 1, without either end.
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)

        progress = min(1.0, (step - self.warmup) / max(1, steps - self.warmup))
        if self.schedule == "linear":
            return 1 - progress
        if self.schedule == "cosine":
            return (1 + math.cos(math.pi * progress)) / 2
        return 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields: name -> value."""
        return asdict(self)


SMALL = Recipe()
"""Recipe of trainings for which none is published."""

MANY_IMAGES = 100_000
"""Least number of images for a published recipe, since these are made for ImageNet."""

SUPERNETS = {"spos": Recipe(batch_size=1024, learning_rate=0.5, steps=150_000)}
"""Space -> published recipe of its supernet; SPOS: arXiv 1904.00420, section 4, and the official
release.
"""


def supernet_recipe(space: str, images: int) -> Recipe:
    """Return the default recipe of a supernet.

    Args:
        space: Canonical name of the space.
        images: Number of training images.
    """

    # Here, since it imports numpy, which `--help` does without.
    from spaces.choice_space import family_of

    return SUPERNETS.get(family_of(space), SMALL) if images >= MANY_IMAGES else SMALL
