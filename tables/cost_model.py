"""CostModel: the cost of any number of architectures of a space at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spaces.additive import AdditiveTable
from spaces.architecture import Architecture
from spaces.chain import ChainSpace
from spaces.errors import NotAdditive, UnknownName
from tables.correction import Correction, fit
from tables.errors import MissingBlock

if TYPE_CHECKING:
    from torch import Tensor

    from spaces.space import Architectures, SearchSpace
    from tables.lookup_table import LookupTable

METRICS = {"latency_ms": "ms", "macs": "multiply-accumulates", "params": "parameters"}
"""Metric -> unit."""

ALIASES = {"flops": "macs"}
"""The papers' word -> ours."""

MARGIN = 1.64
"""Deviations kept between an estimate and a limit: a one-sided 95%."""

_FEWEST_NETWORKS = 8


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
        metric: `latency_ms`, `macs` or `params`.
        table: what each candidate adds.
        sigma: deviation of a measurement from the estimate, cross-validated; 0 for exact counts, None where the
            table has no whole networks of this space to tell it.
        device: name of the lookup table, None for counts.
        correction: the fitted correction, None where there is none.
        block_sum: the plain sum of block costs, without the correction.
    """

    space: SearchSpace
    metric: str
    table: AdditiveTable
    sigma: float | None
    device: str | None = None
    correction: Correction | None = None
    block_sum: AdditiveTable | None = None

    @property
    def unit(self) -> str:
        """The metric's unit."""
        return METRICS[self.metric]

    def estimate(self, architectures: Architectures) -> NDArray[np.float64]:
        """Costs of codes [n, choices] or architectures as a float array [n]."""
        return self.table.sum(self.space.codes(architectures)).astype(np.float64, copy=False)

    def upper(self, architectures: Architectures, margin: float = MARGIN) -> NDArray[np.float64]:
        """What the cost stays under: estimate + margin x sigma (the estimate where sigma is unknown), [n]."""
        return self.estimate(architectures) + margin * (self.sigma or 0.0)

    def bounds(self) -> tuple[Bound, Bound]:
        """The least and the greatest estimate in the space, each with its architecture."""
        least, greatest = (Bound(value, self.space.architecture(codes)) for value, codes in self.table.bounds())
        return least, greatest

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """The differentiable expected cost under independent candidate probabilities.

        Args:
            probabilities: for each choice a tensor [..., candidates].

        Raises:
            NotAdditive: the space's costs are not sums over its choices.
        """
        if not self.space.additive:
            raise NotAdditive(f"costs of {self.space.name} are not sums over its choices")
        return self.table.expected(probabilities)


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
    if name == "latency_ms":
        raise UnknownName("count", metric, [key for key in (*METRICS, *ALIASES) if key != "latency_ms"])
    return CostModel(space, name, _chain(space).additive_table(lambda block: getattr(block, name), np.int64), 0.0)


def latency_model(table: LookupTable, space: SearchSpace) -> CostModel:
    """The latency model of a table, corrected by its whole networks where they are of the same space.

    Raises:
        MissingBlock: the table lacks a block of the space.
    """
    chain = _chain(space)
    missing = [key for key in chain.all_blocks if key not in table.blocks]
    if missing:
        raise MissingBlock(table.name, space.name, missing)
    plain = chain.additive_table(lambda block: table.blocks[block.key].latency_ms)
    if table.space != space.name or len(table.networks) < _FEWEST_NETWORKS:
        return CostModel(space, "latency_ms", plain, None, table.name, block_sum=plain)
    raw_codes, values = table.network_latencies()
    codes = space.check(raw_codes)
    correction = fit(space.one_hot(codes), plain.sum(codes), values)
    deltas = np.split(correction.deltas, np.cumsum(space.candidates)[:-1])
    terms = [term + delta for term, delta in zip(plain.terms, deltas, strict=True)]
    corrected = AdditiveTable(plain.fixed + correction.intercept, terms)
    return CostModel(space, "latency_ms", corrected, correction.sigma, table.name, correction, plain)


def _chain(space: SearchSpace) -> ChainSpace:
    if not isinstance(space, ChainSpace):
        raise NotAdditive(f"{space.name} is not a chain of blocks")
    return space
