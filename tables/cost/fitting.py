"""Block sums with the correction that the whole networks of a table tell, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive import AdditiveTable
from tables.cost.ridge import Correction, denoised, fit, slope, undisturbed
from tables.cost.sums import CostTable, SearchedSums, block_sums, counted, features

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

CORRECTIONS = ("ridge", "linear", "mlp")
"""The kinds; only the ridge needs nothing but numpy."""


def corrected_sums(
    table: LookupTable, space: SearchSpace, plain: CostTable, kind: str
) -> tuple[CostTable, Correction]:
    """Fit a correction of latencies on a table's whole networks.

    Args:
        table: with networks of this space.
        space: whose architectures.
        plain: the block sums.
        kind: one of `CORRECTIONS`, or `best`, the one with the smallest 5-fold residuals.

    Returns:
        The corrected costs, and what was fitted; with `best` its scores tell what was compared.
    """
    return _chosen(_latencies(table, space, plain), kind)


def corrected_energies(
    space: SearchSpace,
    costs: Mapping[str, float],
    codes: NDArray[np.signedinteger[Any]],
    energies: NDArray[np.float64],
    kind: str,
    seed: int,
) -> tuple[CostTable, Correction]:
    """Fit a correction of energies, as `corrected_sums` does of latencies.

    Args:
        space: whose architectures.
        costs: block key -> energy as its latency tells it; every key of the space.
        codes: [n, choices] of the measured networks.
        energies: [n] of one run of each.
        kind: one of `CORRECTIONS`, or `best`.
        seed: of the folds.
    """
    plain = block_sums(space, lambda block: costs[block.key])
    return _chosen(_Fitting(space, plain, costs, space.check(codes), energies, seed), kind)


def levelled_networks(
    table: LookupTable, space: SearchSpace, plain: CostTable
) -> tuple[NDArray[np.signedinteger[Any]], NDArray[np.float64]]:
    """Codes [n, choices] and times [n] of a table's networks as corrections are fitted on them.

    Drift, and what disturbed single turns as far as the networks' own blocks tell it, are divided
    out.
    """
    fitting = _latencies(table, space, plain)
    return fitting.codes, fitting.values


def _chosen(fitting: _Fitting, kind: str) -> tuple[CostTable, Correction]:
    if kind != "best":
        return fitting.by(kind)
    scores = {each: fitting.residual(each) for each in CORRECTIONS}
    sums, found = fitting.by(min(scores, key=lambda each: scores[each]))
    return sums, replace(found, scores=scores)


def _latencies(table: LookupTable, space: SearchSpace, plain: CostTable) -> _Fitting:
    """The times of a table's networks, with what disturbed single turns divided out as far as their
    blocks tell it.
    """
    given, times = table.network_latencies()
    codes, noise = space.check(given), table.network_noise()
    prior: NDArray[np.float64] = plain(codes)
    disturbance = table.network_disturbance(prior)
    if disturbance is not None:
        # How much of the disturbance of its blocks a network shares: the slope of one on the other.
        share = slope(np.log(disturbance), np.log(times / prior))
        times = times / disturbance**share
        # What a network shares with its blocks may be what its runs differ by: only the rest is
        # proven noise.
        noise = noise * (1 - share)
    costs = {key: cost.latency_ms for key, cost in table.blocks.items()}
    return _Fitting(space, plain, costs, codes, times, table.seed, noise)


@dataclass(frozen=True)
class _Fitting:
    """What corrections are fitted on.

    Args:
        space: whose architectures.
        plain: sums of `costs`.
        costs: block key -> cost.
        codes: [n, choices] of measured networks.
        values: [n] measured costs.
        seed: of the folds.
        noise: [n] deviations of the values themselves; None: not known.
    """

    space: SearchSpace
    plain: CostTable
    costs: Mapping[str, float]
    codes: NDArray[np.signedinteger[Any]]
    values: NDArray[np.float64]
    seed: int
    noise: NDArray[np.float64] | None = None

    def by(self, kind: str) -> tuple[CostTable, Correction]:
        """The corrected costs by one kind of correction."""
        return self._ridge() if kind == "ridge" else self._regression(kind)

    def residual(self, kind: str) -> float:
        """Root mean square of the residuals of a kind, each network predicted by the fit of the
        other folds.
        """
        from tables.cost.regression import fold_residuals

        kept = self.kept
        residuals = fold_residuals(
            kind, self.marks[kept], self.parts[kept], self.values[kept], self.seed
        )
        return float(np.sqrt(np.mean(residuals**2)))

    @cached_property
    def prior(self) -> NDArray[np.float64]:
        prior: NDArray[np.float64] = self.plain(self.codes)
        return prior

    @cached_property
    def rest(self) -> NDArray[np.float64]:
        rest: NDArray[np.float64] = self.values - self.prior
        return rest

    @cached_property
    def marks(self) -> NDArray[np.float64]:
        return features(self.space, self.codes)

    @cached_property
    def parts(self) -> NDArray[np.float64]:
        from tables.cost.regression import parts

        return parts(self.space, self.codes, self.costs)

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        return undisturbed(self.marks, self.rest)

    def _ridge(self) -> tuple[CostTable, Correction]:
        found = fit(self.marks, self.prior, self.values, self.noise)
        if isinstance(self.plain, AdditiveTable):
            deltas = np.split(found.deltas, np.cumsum(self.space.candidates)[:-1])
            terms = [term + delta for term, delta in zip(self.plain.terms, deltas, strict=True)]
            return AdditiveTable(self.plain.fixed + found.intercept, terms), found
        deltas_of = zip(self._keys, found.deltas.tolist(), strict=True)
        return self._counted(
            {key: self.costs[key] + delta for key, delta in deltas_of}, found.intercept
        ), found

    def _regression(self, kind: str) -> tuple[CostTable, Correction]:
        from tables.cost.regression import linear, multi_layer, parts

        kept, residual, space, costs = self.kept, self.residual(kind), self.space, self.costs
        rest, given, values = self.rest[kept], self.parts[kept], self.values[kept]
        sigma = denoised(residual, len(rest), None if self.noise is None else self.noise[kept])
        naive = float(rest.std() * len(rest) / (len(rest) - 1))
        found = Correction(
            0.0, np.zeros(0), sigma, naive, 0.0, len(rest), int((~kept).sum()), residual, kind
        )
        if kind == "mlp":
            predict = multi_layer(given, values, self.seed)
            return SearchedSums(space, lambda codes: predict(parts(space, codes, costs))), found
        intercept, slopes = linear(given, values)
        found = replace(found, intercept=intercept, deltas=slopes)
        if isinstance(self.plain, AdditiveTable):
            scaled = [term * slope for term, slope in zip(self.plain.terms, slopes, strict=True)]
            return AdditiveTable(intercept, scaled), found
        slopes_of = zip(self._keys, slopes.tolist(), strict=True)
        return self._counted(
            {key: costs[key] * slope for key, slope in slopes_of}, intercept
        ), found

    @property
    def _keys(self) -> list[str]:
        return self.space.block_counts(self.codes[:1])[0]

    def _counted(self, costs: Mapping[str, float], fixed: float) -> CostTable:
        return counted(self.space, costs, fixed)
