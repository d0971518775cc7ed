"""CostModel: the cost of any number of architectures of a space at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.errors import NotAdditive, UnknownName
from tables.cost.extremes import enumerable, extremes
from tables.cost.fitting import CORRECTIONS, corrected_sums
from tables.cost.ridge import Correction
from tables.cost.sums import CostTable, SearchedSums, block_sums
from tables.errors import MissingBlock, MissingFigures

if TYPE_CHECKING:
    from torch import Tensor

    from spaces.space import Architectures, SearchSpace
    from tables.lookup_table import LookupTable


METRICS = {
    "latency_ms": "ms",
    "macs": "multiply-accumulates",
    "params": "parameters",
    "memory_bytes": "bytes",
    "energy_mj": "mJ",
}
"""Metric -> unit."""


COUNTS = ("macs", "params")
"""The metrics that an architecture tells by itself."""


MEASURED = tuple(metric for metric in METRICS if metric not in COUNTS)
"""The metrics of a device, which its table tells."""


ALIASES = {"flops": "macs"}
"""The papers' word -> ours."""


MARGIN = 1.64
"""Deviations kept between an estimate and a limit: a one-sided 95%."""


FEWEST_NETWORKS = 8
"""Networks that a correction is fitted on, at least."""


@dataclass(frozen=True)
class Bound:
    """The least or greatest cost of a space, and an architecture that has it."""

    value: float
    architecture: Architecture


@dataclass(frozen=True)
class CostModel:
    """Estimates of one metric.

    Args:
        space: whose architectures.
        metric: one of `METRICS`.
        table: what architectures cost; an `AdditiveTable` where that is a sum over choices, a
            `PeakTable` where it is the greatest of what they need.
        sigma: deviation of a network's median measurement from the estimate, cross-validated; 0 for
            exact counts, None where the table has no whole networks of this space to tell it.
        device: name of the lookup table, None for counts.
        correction: the fitted correction, None where there is none.
        block_sum: the plain sum of block costs, without the correction.
    """

    space: SearchSpace
    metric: str
    table: CostTable
    sigma: float | None
    device: str | None = None
    correction: Correction | None = None
    block_sum: CostTable | None = None

    @property
    def unit(self) -> str:
        """The metric's unit."""
        return METRICS[self.metric]

    def estimate(self, architectures: Architectures) -> NDArray[np.float64]:
        """Costs of codes [n, choices] or architectures as a float array [n]."""
        return self.table(self.space.codes(architectures)).astype(np.float64, copy=False)

    def upper(self, architectures: Architectures, margin: float = MARGIN) -> NDArray[np.float64]:
        """What the cost stays under: estimate + margin x sigma (the estimate where sigma is
        unknown), [n].
        """
        return self.estimate(architectures) + margin * (self.sigma or 0.0)

    def bounds(self) -> tuple[Bound, Bound]:
        """The least and the greatest estimate in the space, each with its architecture.

        Exact where `exact_bounds` says so. Elsewhere they are the extremes that a seeded evolution
        finds: their architectures have these costs, but a lower or a higher one may exist.
        """
        found = self.table.bounds() if self._free else extremes(self.space, self.table)
        least, greatest = (Bound(value, self.space.architecture(codes)) for value, codes in found)
        return least, greatest

    @property
    def exact_bounds(self) -> bool:
        """Whether `bounds` are exact: sums and peaks over choices, and spaces small enough to be
        enumerated.
        """
        return (self.table.separable and self._free) or enumerable(self.space)

    @property
    def _free(self) -> bool:
        """Whether the table's own bounds are of architectures that exist, each in its one
        spelling.
        """
        if not self.space.irregular or not self.table.separable:
            return True
        codes = np.stack([codes for _, codes in self.table.bounds()]).astype(self.space.dtype)
        return bool(self.space.valid(codes).all() and (self.space.canonical(codes) == codes).all())

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """The differentiable expected cost under independent candidate probabilities, of sums and
        of peaks.

        Args:
            probabilities: for each choice a tensor [..., candidates].

        Raises:
            NotAdditive: the space's costs, or the correction, are not sums (or a peak) over its
                choices.
        """
        if self.table.separable and self.space.additive:
            return self.table.expected(probabilities)
        cause = (
            f"with the correction {self.correction.kind!r} "
            if self.space.additive and self.correction
            else ""
        )
        raise NotAdditive(f"{cause}costs of {self.space.name} are not sums over its choices")


def canonical_metric(metric: str) -> str:
    """The metric's own name (`flops` is `macs`); raises UnknownName."""
    name = ALIASES.get(metric, metric)
    if name not in METRICS:
        raise UnknownName("metric", metric, (*METRICS, *ALIASES))
    return name


def counting_model(space: SearchSpace, metric: str) -> CostModel:
    """The exact model of a count (`macs`, also called `flops`, or `params`) that needs no table.

    Raises:
        UnknownName: the metric is no count.
    """
    name = canonical_metric(metric)
    if name not in COUNTS:
        raise UnknownName("count", metric, (*COUNTS, *ALIASES))
    if space.additive:
        return CostModel(
            space, name, space.additive_table(lambda block: getattr(block, name), np.int64), 0.0
        )
    return CostModel(space, name, SearchedSums(space, getattr(space, name)), 0.0)


def latency_model(table: LookupTable, space: SearchSpace, correction: str = "ridge") -> CostModel:
    """The latency model of a table, corrected by its whole networks where they are of the same
    space.

    Args:
        table: what was measured.
        space: whose architectures.
        correction: `none`, one of `tables.cost.fitting.CORRECTIONS`, or `best`, which compares
            these by cross-validation.

    Raises:
        MissingBlock: the table lacks a block of the space.
        UnknownName: no such correction.
    """
    check_correction(correction)
    check_blocks(table, space)
    plain = block_sums(space, lambda block: table.blocks[block.key].latency_ms)
    if table.space != space.name or len(table.networks) < FEWEST_NETWORKS or correction == "none":
        return CostModel(space, "latency_ms", plain, None, table.name, block_sum=plain)
    corrected, found = corrected_sums(table, space, plain, correction)
    return CostModel(space, "latency_ms", corrected, found.sigma, table.name, found, plain)


def check_correction(correction: str) -> None:
    """Raise UnknownName unless a correction can be named so."""
    if correction not in ("none", "best", *CORRECTIONS):
        raise UnknownName("correction", correction, ("none", "best", *CORRECTIONS))


def check_blocks(table: LookupTable, space: SearchSpace) -> None:
    """Raise MissingBlock where a table lacks a block of a space."""
    missing = [key for key in space.all_blocks if key not in table.blocks]
    if missing:
        raise MissingBlock(table.name, space.name, missing)


def models(table: LookupTable, space: SearchSpace) -> dict[str, CostModel]:
    """Metric -> cost model of all that a table tells of a space; what it has no figures of is left
    out.

    Raises:
        MissingBlock: the table lacks a block of the space.
    """
    found: dict[str, CostModel] = {}
    for metric in MEASURED:
        try:
            found[metric] = table.cost_model(space, metric)
        except MissingFigures:
            continue
    return found
