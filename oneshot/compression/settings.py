"""Settings of a compression."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from oneshot.errors import InvalidOption
from oneshot.training.recipe import Recipe

FINE_TUNING = Recipe(
    epochs=3,
    batch_size=64,
    learning_rate=0.02,
    weight_decay=1e-4,
    label_smoothing=0.0,
    schedule="cosine",
    nesterov=True,
)
"""Recipe of trainings that begin with trained weights."""


@dataclass(frozen=True)
class CompressionSettings:
    """How many networks a compression measures, scores and trains.

    Args:
        measured: Number of smaller networks that are measured for the cost model.
        rounds: Rounds of these measurements; up to four times as many where they vary too much.
        scored: Number of smaller networks that are scored without training; None: as many as
            `minutes` allows.
        minutes: Minutes that a compression may take. It takes longer where its other steps do.
        checked: Number of networks of the search that are scored before one is taken.
        importance: Number of training images by which channels are ordered; 0: by their weights.
        images: Number of validation images of a score.
        recalibration: Number of training images by which the normalisation of a scored network is
            recalibrated.
        supernet_epochs: Epochs in which all widths are trained together before the scores.
        recipe: Fine-tuning of the network that is taken; its epochs may be 0.
        distillation: Weight of the original's outputs in the loss, from 0 to 1.
        seed: Seed of all randomness.

    Raises:
        InvalidOption: A value is not accepted.
    """

    measured: int = 80
    rounds: int = 4
    scored: int | None = None
    minutes: float = 15.0
    checked: int = 16
    importance: int = 1024
    images: int = 2000
    recalibration: int = 512
    supernet_epochs: int = 0
    epochs: int = 3
    recipe: Recipe = field(default_factory=lambda: FINE_TUNING)
    distillation: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        # Cross-validation of the cost model has 10 folds, none of which may be empty.
        least = {"measured": 12, "rounds": 1, "scored": 12, "checked": 1, "images": 1}
        least |= dict.fromkeys(("importance", "recalibration", "supernet_epochs", "epochs"), 0)
        for name, bound in least.items():
            value = getattr(self, name)
            # None is a number that follows from the minutes.
            if value is not None and value < bound:
                raise InvalidOption(f"{name} must be at least {bound}, not {value}")

        # Negated so that NaN is refused too.
        if not 0 < self.minutes < float("inf"):
            raise InvalidOption(f"minutes must be positive and finite, not {self.minutes}")
        if not 0 <= self.distillation <= 1:
            raise InvalidOption(f"distillation must lie in [0, 1], not {self.distillation}")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields: name -> value."""
        return asdict(self)
