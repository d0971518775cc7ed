"""Recipes: how weights are trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from oneshot.errors import InvalidOption


@dataclass(frozen=True)
class Recipe:
    """SGD with a learning rate that falls linearly to 0, as SPOS trains (arXiv 1904.00420, section 4).

    Args:
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: at the first step.
        momentum: of SGD.
        weight_decay: on weights of more than one dimension only.
        label_smoothing: of the cross-entropy.
    """

    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 4e-5
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise InvalidOption(f"{name} must be positive, not {getattr(self, name)}")
        if not 0 <= self.label_smoothing < 1:
            raise InvalidOption(f"label_smoothing must lie in [0, 1), not {self.label_smoothing}")

    def to_dict(self) -> dict[str, Any]:
        """Name -> value."""
        return asdict(self)
