"""Execution: the settings of a training that do not define its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from oneshot.errors import InvalidOption

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""Names of options -> Lightning's names."""

ACCELERATORS = ("auto", "cpu", "gpu")


@dataclass(frozen=True)
class Execution:
    """Devices, precision, and frequency of checkpoints and reports.

    Args:
        devices: Number of processes with one device each; they share every batch.
        accelerator: `cpu`, `gpu`, or `auto`: a GPU if the machine has one.
        precision: `fp32`, or mixed with `bf16` or (GPUs only) `fp16`.
        accumulate: Number of batches whose gradients an update sums up, each a fraction of the
            recipe's batch size.
        checkpoint_every: Number of updates between checkpoints.
        report_every: Number of updates between reports of loss, accuracy and speed.
        tensorboard: Whether reports are written for TensorBoard as well.
        sync_batch_norm: Whether several processes normalise by the statistics of the whole batch
            (of each of its `accumulate` portions); otherwise each uses those of its own images.

    Example:
        >>> Execution(devices=2, accumulate=4).batch_size_per_device(256, ranks=2, images=1000)
        32
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

    def batch_size_per_device(self, batch_size: int, ranks: int, images: int) -> int:
        """Return the number of images in each batch of a process.

        Args:
            batch_size: Batch size of the recipe.
            ranks: Number of processes.
            images: Number of training images, which limits the batch size.

        Raises:
            InvalidOption: The batch cannot be divided equally.
        """
        divisor = ranks * self.accumulate
        if batch_size > images:
            batch_size = images // divisor * divisor
        if batch_size < divisor or batch_size % divisor:
            raise InvalidOption(
                f"batch_size must be a multiple of devices x accumulate, {ranks} x"
                f" {self.accumulate}, not {batch_size}"
            )
        return batch_size // divisor

    def to_dict(self) -> dict[str, Any]:
        """Return the fields: name -> value."""
        return asdict(self)
