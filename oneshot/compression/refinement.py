"""A device whose latency estimates learn from the networks that a search finds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.compression.costs import MeasuredDevice, measure_once
from oneshot.compression.network_times import NetworkTimes

if TYPE_CHECKING:
    from oneshot.search.constraint import Constraint, Limit
    from profiler.backends.base import Backend
    from spaces.elastic.space import ElasticSpace
    from spaces.space import Codes
    from tables.cost.model import CostSource


class SearchedDevice:
    """A measured device, on which networks of a search are measured as well.

    A search finds networks with many products for their estimated latency, and so those whose
    latency is underestimated: of a MobileNetV2 under onnxruntime by 9%. A model that is fitted on
    some of them as well is not misled again.

    Args:
        space: Space of the networks.
        backend: Backend that runs them.
        device: Networks that are measured so far.
        path: File of JSON lines, which holds the networks of searches.
        limits: Limits of the compression.
        margin: Deviations that estimates stay below a limit.
        threads: Number of threads on the processor.
        rounds: Number of rounds of a measurement.
        seed: Seed of the orders.

    Attributes:
        device: All networks that are measured.
    """

    def __init__(
        self,
        space: ElasticSpace,
        backend: Backend,
        device: MeasuredDevice,
        path: Path,
        *,
        limits: Sequence[Limit],
        margin: float,
        threads: int,
        rounds: int,
        seed: int,
    ):
        self.space = space
        self.backend = backend
        self.device = device
        self.path = path
        self.limits = limits
        self.margin = margin
        self.threads = threads
        self.rounds = rounds
        self.seed = seed

    def refine(self, codes: Codes) -> list[Constraint]:
        """Measure networks, and return the limits with the estimates that they change.

        Args:
            codes: Codes [n, choices] of networks that a search found.
        """
        self.device = self.device.with_times(self._measured(codes))
        return bound_limits(self.limits, self.space, self.device, self.margin)

    def verify(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which networks of codes [n, choices] keep the limits of latency when measured."""
        limit_ms = min(limit.maximum for limit in self.limits if limit.table is not None)
        ratios = np.median(self._measured(codes).ratios, axis=1)
        return np.asarray(ratios * self.device.reference_ms <= limit_ms)

    def _measured(self, codes: Codes) -> NetworkTimes:
        return measure_once(
            self.space,
            self.backend,
            self.path,
            codes,
            threads=self.threads,
            rounds=self.rounds,
            seed=self.seed,
        )


def bound_limits(
    limits: Sequence[Limit], space: ElasticSpace, device: MeasuredDevice | None, margin: float
) -> list[Constraint]:
    """Return limits as constraints of a space, by the estimates of a device.

    Args:
        limits: Limits of the compression.
        space: Space of the networks.
        device: Measured networks; None: no latency is limited.
        margin: Deviations that estimates stay below a limit.
    """
    return [limit.bind(space, partial(_named, device), margin) for limit in limits]


def _named(device: MeasuredDevice | None, name: str) -> CostSource:
    assert device is not None
    return device
