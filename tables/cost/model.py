"""CostModel: the costs of any number of architectures at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.errors import NotAdditive, UnknownName
from tables.cost.extremes import enumerable, extremes
from tables.cost.ridge import Correction
from tables.cost.sums import CostTable, SearchedSums
from tables.metrics import ALIASES, COSTS, COUNTS, MARGIN, canonical_metric

if TYPE_CHECKING:
    from torch import Tensor

    from spaces.space import Architectures, SearchSpace


@dataclass(frozen=True)
class Bound:
    """The least or the greatest cost of a space.

    Args:
        value: The cost.
        architecture: An architecture that has it.
    """

    value: float
    architecture: Architecture


@dataclass(frozen=True)
class CostModel:
    """Estimates of one metric for the architectures of a space.

    Args:
        space: Space of the architectures.
        metric: One of `tables.metrics.COSTS`.
        table: Costs of the architectures: an `AdditiveTable` where they are sums over choices, a
            `PeakTable` where they are the greatest need among the blocks, `SearchedSums` elsewhere.
        sigma: Cross-validated deviation of a network's median measurement from the estimate. 0 for
            exact counts; None where the table has neither whole networks of this space to estimate
            it nor a stated one.
        device: Name of the lookup table. None for counts.
        correction: The fitted correction. None without one.
        block_sum: The plain sums of block costs, without the correction. None where costs are no
            sums of block costs.
        complete: Whether every architecture has a cost. Otherwise those without one cost infinity.

    Example:
        >>> import spaces, tables
        >>> table = tables.load("amd-epyc-spos-b1-fp32-t2")
        >>> model = table.cost_model(spaces.get("spos"), "latency_ms")
        >>> model.unit
        'ms'
        >>> least, greatest = model.bounds()
        >>> least.value < greatest.value
        True
    """

    space: SearchSpace
    metric: str
    table: CostTable
    sigma: float | None
    device: str | None = None
    correction: Correction | None = None
    block_sum: CostTable | None = None
    complete: bool = True

    @property
    def unit(self) -> str:
        """Unit of the metric."""
        return COSTS[self.metric].unit

    def estimate(self, architectures: Architectures) -> NDArray[np.float64]:
        """Return the costs [n] of architectures, or of codes [n, choices]."""
        return self.table(self.space.codes(architectures)).astype(np.float64, copy=False)

    def upper(self, architectures: Architectures, margin: float = MARGIN) -> NDArray[np.float64]:
        """Return an upper confidence limit [n] of the costs: estimate + margin x sigma.

        Args:
            architectures: Architectures, or codes [n, choices].
            margin: Number of deviations. Without a sigma the limit is the estimate.
        """
        return self.estimate(architectures) + margin * (self.sigma or 0.0)

    def bounds(self) -> tuple[Bound, Bound]:
        """Return the least and the greatest estimate in the space, each with its architecture.

        Where `exact_bounds` is False, they are the extremes that a seeded evolution finds: their
        architectures have these costs, but a lower or a higher one may exist.
        """
        pair = self.table.bounds() if self._table_bounds_exist else extremes(self.space, self.table)
        least, greatest = (Bound(value, self.space.architecture(codes)) for value, codes in pair)
        return least, greatest

    @property
    def exact_bounds(self) -> bool:
        """Whether `bounds` are exact: sums and peaks over choices, and enumerable spaces."""
        return (self.table.separable and self._table_bounds_exist) or enumerable(self.space)

    @property
    def _table_bounds_exist(self) -> bool:
        """Whether the table's bounds belong to architectures of the space, in canonical codes."""
        # In an irregular space the cheapest candidates of all choices may not go together.
        if not self.space.validates_codes or not self.table.separable:
            return True

        codes = np.stack([codes for _, codes in self.table.bounds()]).astype(self.space.dtype)
        canonical = self.space.canonical(codes) == codes
        return bool(self.space.valid(codes).all() and canonical.all())

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Return the differentiable expected cost under independent candidate probabilities.

        Args:
            probabilities: For each choice a tensor [..., candidates].

        Raises:
            NotAdditive: The costs, or the correction, are not sums (or a peak) over the choices.
        """
        if self.table.separable and self.space.additive:
            return self.table.expected(probabilities)

        cause = ""
        if self.space.additive and self.correction:
            cause = f"with the correction {self.correction.kind!r} "
        raise NotAdditive(f"{cause}costs of {self.space.name} are not sums over its choices")


class CostSource(Protocol):
    """A device with cost models: a `LookupTable`, or a device of a benchmark."""

    @property
    def name(self) -> str:
        """Name of the device in constraints and results."""

    def cost_model(self, space: SearchSpace, metric: str) -> CostModel:
        """Build the cost model of a measured metric; raises MissingFigures where it has none."""


def counting_model(space: SearchSpace, metric: str) -> CostModel:
    """Build the exact model of a count, which needs no lookup table.

    Args:
        space: Space of the architectures.
        metric: `macs` (also called `flops`), `binary_macs` or `params`.

    Raises:
        UnknownName: The metric is no count.
    """
    name = canonical_metric(metric)
    if name not in COUNTS:
        raise UnknownName("count", metric, (*COUNTS, *ALIASES))

    table: CostTable
    if space.additive:
        table = space.additive_table(lambda block: getattr(block, name), np.int64)
    else:
        table = SearchedSums(space, getattr(space, name))

    # Counts are exact, so that no margin is kept below a limit.
    return CostModel(space, name, table, 0.0)
