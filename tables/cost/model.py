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
from tables.cost.ridge import Correction
from tables.cost.sums import CostTable, SearchedSums
from tables.metrics import ALIASES, COSTS, COUNTS, MARGIN, canonical_metric

if TYPE_CHECKING:
    from torch import Tensor

    from spaces.space import Architectures, SearchSpace


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
        metric: one of `tables.metrics.COSTS`.
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
        return COSTS[self.metric].unit

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
