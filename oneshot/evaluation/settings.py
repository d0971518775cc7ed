"""EvaluationSettings: the settings that define an evaluation, recorded with every result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from oneshot.errors import InvalidOption

PRECISIONS = ("fp32", "bf16", "fp16")

STATISTICS = ("recalibrated", "batch")
"""Statistics of batch normalisation in evaluations; the first is the default."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Images and precision of an evaluation; the defaults are those of SPOS (arXiv 1904.00420).

    Args:
        images: Number of validation images, sampled once; limited by the size of the split.
        recalibration_batches: Number of batches of training images; limited likewise.
        recalibration_batch_size: Images per batch of the recalibration.
        seed: Seed of the sampling of images.
        precision: `fp32`, or `bf16` or `fp16` by autocast.
        batch_size: Validation images per batch; it affects the last digits of results only, unless
            batches have their own statistics.
        statistics: Statistics that batch normalisation uses: `recalibrated` on training images, or
            `batch`, those of each validation batch, as in aw_nas.
        surrogate_steps: Number of updates that the weights of each architecture are trained for
            before its evaluation, on the images of the recalibration; others never see them.
        surrogate_learning_rate: Learning rate of these updates, by SGD without momentum.

    Raises:
        InvalidOption: A value is not accepted.
    """

    images: int = 8000
    recalibration_batches: int = 200
    recalibration_batch_size: int = 128
    seed: int = 0
    precision: str = "fp32"
    batch_size: int = 250
    statistics: str = STATISTICS[0]
    surrogate_steps: int = 0
    surrogate_learning_rate: float = 0.01

    def __post_init__(self) -> None:
        for name in ("images", "recalibration_batches", "recalibration_batch_size", "batch_size"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.precision not in PRECISIONS:
            raise InvalidOption(
                f"precision must be one of {', '.join(PRECISIONS)}, not {self.precision!r}"
            )
        if self.statistics not in STATISTICS:
            raise InvalidOption(
                f"statistics must be one of {', '.join(STATISTICS)}, not {self.statistics!r}"
            )
        if self.surrogate_steps < 0:
            raise InvalidOption(f"surrogate_steps must be at least 0, not {self.surrogate_steps}")
        if not self.surrogate_learning_rate > 0:
            raise InvalidOption(
                f"surrogate_learning_rate must be positive, not {self.surrogate_learning_rate}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields: name -> value."""
        values = asdict(self)
        # Absent by default, as in evaluations that were recorded before it existed.
        if self.statistics == STATISTICS[0]:
            del values["statistics"]
        if not self.surrogate_steps:
            del values["surrogate_steps"]
            del values["surrogate_learning_rate"]
        return values
