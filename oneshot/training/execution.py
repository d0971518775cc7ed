"""How a training is executed: what may change without changing what is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from oneshot.errors import InvalidOption

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""Our names -> Lightning's."""

ACCELERATORS = ("auto", "cpu", "gpu")


@dataclass(frozen=True)
class Execution:
    """Devices, precision, and what is written how often.

    Args:
        devices: processes, each with a device of its own; they share every batch.
        accelerator: `cpu`, `gpu`, or `auto`: a GPU where there is one.
        precision: `fp32`, or mixed with `bf16` or (GPUs only) `fp16`.
        accumulate: batches whose gradients one update sums up, each a part of the recipe's batch
            size.
        checkpoint_every: updates between checkpoints.
        report_every: updates between reports of loss, accuracy and speed.
        tensorboard: whether reports are written for TensorBoard too.
        sync_batch_norm: whether several processes normalise by the statistics of the whole batch
            (of each of its `accumulate` portions); else each by those of its own part.
    """

    devices: int = 1
    accelerator: str = "auto"
    precision: str = "fp32"
    accumulate: int = 1
    checkpoint_every: int = 500
    report_every: int = 50
    tensorboard: bool = False
    sync_batch_norm: bool = False

    def __post_init__(self) -> None:
        for name in ("devices", "accumulate", "checkpoint_every", "report_every"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.precision not in PRECISIONS:
            raise InvalidOption(
                f"precision must be one of {', '.join(PRECISIONS)}, not {self.precision!r}"
            )
        if self.accelerator not in ACCELERATORS:
            raise InvalidOption(
                f"accelerator must be one of {', '.join(ACCELERATORS)}, not {self.accelerator!r}"
            )

    def part_of(self, batch_size: int, ranks: int, images: int) -> int:
        """Images that a process takes at a time.

        Args:
            batch_size: of the recipe.
            ranks: processes.
            images: for training; a batch is no larger than that.

        Raises:
            InvalidOption: the batch does not divide into parts.
        """
        parts = ranks * self.accumulate
        if batch_size > images:
            batch_size = images // parts * parts
        if batch_size < parts or batch_size % parts:
            raise InvalidOption(
                f"batch_size must be a multiple of devices x accumulate, {ranks} x"
                f" {self.accumulate}, not {batch_size}"
            )
        return batch_size // parts

    def to_dict(self) -> dict[str, Any]:
        """Name -> value."""
        return asdict(self)
