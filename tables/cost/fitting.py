"""Block sums with a correction that is fitted on the whole networks of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive import AdditiveTable
from tables.cost.ridge import (
    Correction,
    disturbance_slope,
    fit_ridge,
    remove_noise,
    undisturbed_mask,
)
from tables.cost.solving import Solution, solve
from tables.cost.sums import CostTable, SearchedSums, block_sums, correction_features, counted_sums

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.signedinteger[Any]]

CORRECTIONS = ("ridge", "linear", "mlp", "lstm")
"""The kinds of corrections; only the ridge needs numpy alone."""

_COMPARED = ("ridge", "linear", "mlp")
"""Kinds of which `best` selects: a recurrent network takes seconds to minutes for its folds."""


def corrected_sums(
    table: LookupTable, space: SearchSpace, plain: CostTable, kind: str
) -> tuple[CostTable, Correction]:
    """Fit a correction of latencies on a table's whole networks.

    Args:
        table: Lookup table with networks of this space.
        space: Space of the architectures.
        plain: The plain block sums.
        kind: One of `CORRECTIONS`, or `best`: of ridge, linear and mlp the one with the smallest
            5-fold residuals.

    Returns:
        The corrected costs and the fitted correction; with `best`, its scores are those of all
        kinds.
    """
    return _fit(_latency_fitting(table, space, plain), kind)


def corrected_energies(
    space: SearchSpace,
    costs: Mapping[str, float],
    codes: Codes,
    energies: Array,
    kind: str,
    seed: int,
) -> tuple[CostTable, Correction]:
    """Fit a correction of energies, as `corrected_sums` does of latencies.

    Args:
        space: Space of the architectures.
        costs: Block key -> energy by its latency, for every key of the space.
        codes: Codes [n, choices] of the measured networks.
        energies: Energies [n] of one run of each.
        kind: One of `CORRECTIONS`, or `best`.
        seed: Seed of the folds.
    """
    plain = block_sums(space, lambda block: costs[block.key])
    return _fit(_Fitting(space, plain, costs, space.check(codes), energies, seed), kind)


def drift_corrected_networks(
    table: LookupTable, space: SearchSpace, plain: CostTable
) -> tuple[Codes, Array]:
    """Return codes [n, choices] and latencies [n] of networks as corrections are fitted on them.

    Drift is divided out, and so are disturbances of single runs as far as the networks' own blocks
    show them.
    """
    fitting = _latency_fitting(table, space, plain)
    return fitting.codes, fitting.values


def _fit(fitting: _Fitting, kind: str) -> tuple[CostTable, Correction]:
    if kind != "best":
        return fitting.fit(kind)

    # By the same folds for all kinds, and never by the residuals that they were fitted on.
    scores = {candidate: fitting.fold_error(candidate) for candidate in _COMPARED}
    corrected, correction = fitting.fit(min(scores, key=lambda candidate: scores[candidate]))
    return corrected, replace(correction, scores=scores)


def _latency_fitting(table: LookupTable, space: SearchSpace, plain: CostTable) -> _Fitting:
    network_codes, latencies = table.network_latencies()
    codes = space.check(network_codes)
    noise = table.network_noise()
    sums: Array = plain(codes)

    disturbance = table.network_disturbance(sums)
    if disturbance is not None:
        timed = ~np.isnan(disturbance)
        excess = np.log(latencies[timed] / sums[timed])
        # A network has a fraction of the disturbance of its blocks: the slope of one on the other.
        fraction = disturbance_slope(np.log(disturbance[timed]), excess)
        latencies[timed] /= disturbance[timed] ** fraction
        # That fraction may be the reason why its runs differ: only the remainder is proven noise.
        noise[timed] *= 1 - fraction

    costs = {key: cost.latency_ms for key, cost in table.blocks.items()}
    is_solved = table.measurement is not None and table.measurement.blocks == "solved"
    return _Fitting(space, plain, costs, codes, latencies, table.seed, noise, is_solved)


@dataclass(frozen=True)
class _Fitting:
    """The data that corrections are fitted on.

    Args:
        space: Space of the architectures.
        plain: Plain sums of `costs`.
        costs: Block key -> cost.
        codes: Codes [n, choices] of the measured networks.
        values: Measured costs [n].
        seed: Seed of the folds.
        noise: Deviations [n] of the values themselves. None where they are unknown.
        is_solved: Whether `costs` were solved from the networks.
    """

    space: SearchSpace
    plain: CostTable
    costs: Mapping[str, float]
    codes: Codes
    values: Array
    seed: int
    noise: Array | None = None
    is_solved: bool = False

    def fit(self, kind: str) -> tuple[CostTable, Correction]:
        """Fit a correction and return the corrected costs with it."""
        if kind == "ridge":
            return self._fit_ridge()
        return self._fit_linear() if kind == "linear" else self._fit_network(kind)

    def fold_error(self, kind: str) -> float:
        """Return the root mean square of the cross-validated residuals of a kind."""
        from tables.cost.regression import fold_residuals

        mask = self.mask
        one_hot = self.one_hot[mask]
        block_costs = self.block_costs[mask]
        residuals = fold_residuals(kind, one_hot, block_costs, self.values[mask], self.seed)
        return float(np.sqrt(np.mean(residuals**2)))

    @cached_property
    def sums(self) -> Array:
        """Block sums [n] of the networks."""
        sums: Array = self.plain(self.codes)
        return sums

    @cached_property
    def residuals(self) -> Array:
        """Measured costs [n] minus block sums."""
        residuals: Array = self.values - self.sums
        return residuals

    @cached_property
    def one_hot(self) -> Array:
        """Features [n, features] of the networks: one-hot candidates, or block counts."""
        return correction_features(self.space, self.codes)

    @cached_property
    def block_costs(self) -> Array:
        """Contributions [n, blocks] of the blocks to the block sums."""
        from tables.cost.regression import block_costs_of

        return block_costs_of(self.space, self.codes, self.costs)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Which networks [n] were not disturbed."""
        return undisturbed_mask(self.one_hot, self.residuals)

    def _fit_ridge(self) -> tuple[CostTable, Correction]:
        if self.is_solved:
            # Costs that were solved from the same networks explain them better than others: only
            # networks that are left out of the solution show the error.
            solution = solve(self.space, self.codes, self.values, self.noise)
            return self._solved_sums(solution), solution.correction

        correction = fit_ridge(self.one_hot, self.sums, self.values, self.noise)

        if isinstance(self.plain, AdditiveTable):
            # A delta of a candidate adds to its term, so that the corrected costs stay additive.
            deltas = np.split(correction.deltas, np.cumsum(self.space.candidates)[:-1])
            terms = [term + delta for term, delta in zip(self.plain.terms, deltas, strict=True)]
            return AdditiveTable(self.plain.fixed + correction.intercept, terms), correction

        deltas_by_key = zip(self._keys, correction.deltas.tolist(), strict=True)
        costs = {key: self.costs[key] + delta for key, delta in deltas_by_key}
        return counted_sums(self.space, costs, correction.intercept), correction

    def _solved_sums(self, solution: Solution) -> CostTable:
        """Return sums of solved costs, to which every network adds the intercept once."""
        costs = solution.own_costs
        intercept = solution.correction.intercept
        if self.space.additive:
            plain = self.space.additive_table(lambda block: costs[block.key])
            return AdditiveTable(plain.fixed + intercept, plain.terms)
        return counted_sums(self.space, costs, intercept)

    def _fit_linear(self) -> tuple[CostTable, Correction]:
        from tables.cost.regression import fit_linear

        intercept, slopes = fit_linear(self.block_costs[self.mask], self.values[self.mask])
        correction = replace(self._describe("linear"), intercept=intercept, deltas=slopes)

        if isinstance(self.plain, AdditiveTable):
            # A slope scales the whole term, so that the corrected costs stay additive.
            terms = [term * slope for term, slope in zip(self.plain.terms, slopes, strict=True)]
            return AdditiveTable(intercept, terms), correction

        slopes_by_key = zip(self._keys, slopes.tolist(), strict=True)
        costs = {key: self.costs[key] * slope for key, slope in slopes_by_key}
        return counted_sums(self.space, costs, intercept), correction

    def _fit_network(self, kind: str) -> tuple[CostTable, Correction]:
        """Fit a perceptron or a recurrent network."""
        from tables.cost.regression import NETWORKS, block_costs_of

        predict = NETWORKS[kind](self.block_costs[self.mask], self.values[self.mask], self.seed)
        # A network is no sum over choices: its bounds have to be searched for.
        corrected = SearchedSums(
            self.space, lambda codes: predict(block_costs_of(self.space, codes, self.costs))
        )
        return corrected, self._describe(kind)

    def _describe(self, kind: str) -> Correction:
        """Return the correction of a regression without its coefficients."""
        mask = self.mask
        residual = self.fold_error(kind)
        residuals = self.residuals[mask]
        count = len(residuals)
        noise = None if self.noise is None else self.noise[mask]

        return Correction(
            intercept=0.0,
            deltas=np.zeros(0),
            sigma=remove_noise(residual, count, noise),
            # A leave-one-out residual from the mean is n / (n - 1) times the plain one.
            naive_sigma=float(residuals.std() * count / (count - 1)),
            penalty=0.0,
            count=count,
            outliers=int((~mask).sum()),
            residual=residual,
            kind=kind,
        )

    @property
    def _keys(self) -> list[str]:
        """Block keys in the order of `block_counts`' columns."""
        return self.space.block_counts(self.codes[:1])[0]
