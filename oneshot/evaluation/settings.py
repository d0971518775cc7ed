"""What decides an evaluation: the same for every candidate, and recorded with every result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from oneshot.errors import InvalidOption

PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class EvaluationSettings:
    """The defaults are those of SPOS (arXiv 1904.00420 and its release).

    Args:
        images: of the validation split, drawn once; fewer where the split has fewer.
        recalibration_batches: of training images; fewer where the split has fewer images.
        recalibration_batch_size: images in each of them.
        seed: of the images that are drawn.
        precision: `fp32`, or `bf16` or `fp16` by autocast.
        batch_size: validation images at a time; it changes nothing but the last digits.

    Raises:
        InvalidOption: a value is not accepted.
    """

    images: int = 8000
    recalibration_batches: int = 200
    recalibration_batch_size: int = 128
    seed: int = 0
    precision: str = "fp32"
    batch_size: int = 250

    def __post_init__(self) -> None:
        for name in ("images", "recalibration_batches", "recalibration_batch_size", "batch_size"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.precision not in PRECISIONS:
            raise InvalidOption(
                f"precision must be one of {', '.join(PRECISIONS)}, not {self.precision!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Name -> value."""
        return asdict(self)
