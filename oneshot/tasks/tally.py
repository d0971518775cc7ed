"""Tallies: metrics of many batches, summed on the device."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed
from torch import Tensor

INTERVAL = 1.96
"""Standard normal quantile of 95% intervals."""


class Tally(ABC):
    """Sums over the batches of a pass, from which metrics are read at the end.

    The sums stay on the device: a value that is read in between would make the program wait for it.

    Example:
        >>> import torch
        >>> from oneshot.tasks import Classification
        >>> tally = Classification().tally(torch.device("cpu"))
        >>> tally.add(torch.eye(6), torch.tensor([0, 1, 2, 3, 4, 0]))
        >>> round(tally.metrics()["top1"], 2)
        83.33
    """

    @abstractmethod
    def add(self, outputs: Any, targets: Any) -> None:
        """Add a batch.

        Args:
            outputs: Outputs of the network.
            targets: Targets of the batch [b].
        """

    @abstractmethod
    def merge(self) -> None:
        """Add up the sums of all processes, each of which must call this at the same time."""

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """Return the metrics of all batches, name -> value; empty where there were no batches."""

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return 95% confidence intervals of metrics, for those that have one."""
        return {}

    def details(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return further results for the report of a test, such as metrics of each class.

        Args:
            classes: Names of the classes; empty: they have none.
        """
        return {}


class MeanTally(Tally):
    """Metrics that are means over examples.

    Args:
        measure: Function (outputs, targets) -> values [b] of each metric by name.
        device: Device of the outputs.

    Example:
        >>> import torch
        >>> tally = MeanTally(lambda x, y: {"error": (x - y).abs()}, torch.device("cpu"))
        >>> tally.add(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        >>> tally.metrics()
        {'error': 1.0}
        >>> low, high = tally.intervals()["error"]
        >>> low < 1 < high
        True
    """

    def __init__(
        self, measure: Callable[[Any, Any], Mapping[str, Tensor]], device: torch.device
    ) -> None:
        self.measure = measure
        self.device = device
        self.names: tuple[str, ...] = ()
        self._sums: Tensor | None = None

    @torch.no_grad()
    def add(self, outputs: Any, targets: Any) -> None:
        """Add a batch."""
        values = self.measure(outputs, targets)
        self.names = tuple(values)
        rows = torch.stack([value.double() for value in values.values()])

        # Rows: number of examples, sums, and sums of squares for the intervals.
        count = torch.full_like(rows[:, 0], rows.shape[1])
        sums = torch.stack([count, rows.sum(1), rows.square().sum(1)])
        self._sums = sums if self._sums is None else self._sums + sums

    def merge(self) -> None:
        """Add up the sums of all processes."""
        if self._sums is not None:
            torch.distributed.all_reduce(self._sums)

    def metrics(self) -> dict[str, float]:
        """Return the means."""
        return {name: total / count for name, (count, total, _) in self._read().items()}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the intervals of the means by their normal approximation."""
        intervals = {}
        for name, (count, total, squares) in self._read().items():
            mean = total / count
            variance = max(0.0, squares / count - mean**2)
            half = INTERVAL * math.sqrt(variance / max(1.0, count - 1))
            intervals[name] = (mean - half, mean + half)
        return intervals

    def _read(self) -> dict[str, list[float]]:
        if self._sums is None:
            return {}
        return dict(zip(self.names, self._sums.T.tolist(), strict=True))
