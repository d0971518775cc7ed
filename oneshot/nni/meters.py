"""Running means of metrics, with NNI's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AverageMeter:
    """Running mean of a metric (as NNI's AverageMeter).

    Args:
        name: Name of the metric.
        fmt: Format of numbers in the text.

    Example:
        >>> meter = AverageMeter("loss")
        >>> meter.update(1.0)
        >>> meter.update(4.0, n=2)
        >>> meter.val, meter.avg, meter.count
        (4.0, 3.0, 3)
    """

    def __init__(self, name: str, fmt: str = ":f"):
        self.name = name
        self.fmt = fmt
        self.reset()

    def reset(self) -> None:
        """Forget all values."""
        self.val = 0.0
        self.avg = 0.0
        self.sum = 0.0
        self.count = 0

    def update(self, val: float, n: int = 1) -> None:
        """Add a value.

        Args:
            val: Value; a tensor of one element is converted.
            n: Weight of the value, such as the number of images.
        """
        self.val = float(val)
        self.sum += self.val * n
        self.count += n
        self.avg = self.sum / self.count

    def __str__(self) -> str:
        return f"{self.name} {self.val:{self.fmt[1:]}} ({self.avg:{self.fmt[1:]}})"

    def summary(self) -> str:
        """Return the name and the mean."""
        return f"{self.name}: {self.avg:{self.fmt[1:]}}"


class AverageMeterGroup:
    """Running means of several metrics, by name (as NNI's AverageMeterGroup).

    Example:
        >>> meters = AverageMeterGroup()
        >>> meters.update({"acc1": 0.5, "loss": 2.0})
        >>> meters.update({"acc1": 1.0, "loss": 1.0})
        >>> meters.acc1.avg, meters["loss"].avg
        (0.75, 1.5)
    """

    def __init__(self) -> None:
        self.meters: dict[str, AverageMeter] = {}

    def update(self, data: Mapping[str, float], n: int = 1) -> None:
        """Add the metrics of a batch.

        Args:
            data: Metric -> value.
            n: Weight of the values, such as the number of images.
        """
        for name, value in data.items():
            self.meters.setdefault(name, AverageMeter(name, ":4f")).update(value, n)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["meters"][name]
        except KeyError:
            raise AttributeError(f"there is no metric {name!r}") from None

    def __getitem__(self, name: str) -> AverageMeter:
        return self.meters[name]

    def __str__(self) -> str:
        return "  ".join(map(str, self.meters.values()))

    def summary(self) -> str:
        """Return the names and the means."""
        return "  ".join(meter.summary() for meter in self.meters.values())
