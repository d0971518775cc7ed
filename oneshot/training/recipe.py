"""Recipes: how weights are trained."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from oneshot.errors import InvalidOption

SCHEDULES = ("linear", "cosine", "constant")


@dataclass(frozen=True)
class Recipe:
    """SGD with a learning rate that falls to 0; the defaults suit data sets of a few thousand small
    images.

    Args:
        epochs: passes over the training images, unless `steps` says otherwise.
        batch_size: images an update, over all devices and accumulated batches together.
        learning_rate: at the first update after the warm-up.
        momentum: of SGD.
        weight_decay: on weights of more than one dimension only.
        label_smoothing: of the cross-entropy.
        steps: updates in all, in place of `epochs`; None: as many as `epochs` gives.
        schedule: how the rate falls, update by update: `linear`, `cosine`, or `constant`, which
            does not.
        warmup: updates over which the rate rises linearly from near 0.
        clip: the greatest norm of the gradient; longer ones are shortened to it; None: as they are.
        nesterov: whether the momentum looks ahead.
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
        if self.nesterov and not self.momentum:
            raise InvalidOption("nesterov needs a momentum above 0")

    def updates(self, an_epoch: int) -> int:
        """Updates of the whole training where an epoch has so many.

        Raises:
            InvalidOption: the warm-up is longer than the training.
        """
        count = self.steps if self.steps is not None else self.epochs * an_epoch
        if self.warmup >= count:
            raise InvalidOption(
                f"warmup must be less than the training's {count} updates, not {self.warmup}"
            )
        return count

    def share_of_rate(self, step: int, steps: int) -> float:
        """The learning rate of update `step` (from 0) of `steps`, as a share of `learning_rate`."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        done = min(1.0, (step - self.warmup) / max(1, steps - self.warmup))
        if self.schedule == "linear":
            return 1 - done
        return (1 + math.cos(math.pi * done)) / 2 if self.schedule == "cosine" else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Name -> value."""
        return asdict(self)


SMALL = Recipe()
"""The recipe where nothing is published."""

MANY_IMAGES = 100_000
"""Training images from which a published recipe is the default: these were made for ImageNet."""

SUPERNETS = {"spos": Recipe(batch_size=1024, learning_rate=0.5, steps=150_000)}
"""Space -> published recipe of its supernet; SPOS: arXiv 1904.00420, section 4, and the official
release.
"""


def supernet_recipe(space: str, images: int) -> Recipe:
    """The recipe of a supernet where no option says otherwise.

    Args:
        space: canonical name of the space.
        images: for training.
    """
    # Here, since it imports numpy, which `--help` does without.
    from spaces.choice_space import family_of

    return SUPERNETS.get(family_of(space), SMALL) if images >= MANY_IMAGES else SMALL
