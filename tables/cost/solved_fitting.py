"""Corrections of block costs that were solved from the same networks.

Such costs explain their own networks better than others, so that residuals of the correction alone
are too small. Networks that are left out of a correction are left out of the solution as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from spaces.chains.additive import AdditiveTable
from tables.cost.fitting import Array, Codes, Fitting, Mask
from tables.cost.ridge import Correction
from tables.cost.solving import Solution, solve
from tables.cost.sums import CostTable, block_sums, counted_sums

if TYPE_CHECKING:
    from spaces.space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class SolvedFitting(Fitting):
    """Data of which the costs of blocks were solved from the values themselves.

    Args:
        solution: The solution that the costs are of.
    """

    solution: Solution

    @classmethod
    def from_networks(
        cls, space: SearchSpace, codes: Codes, values: Array, seed: int, noise: Array | None
    ) -> Self:
        """Solve the costs of blocks.

        Args:
            space: Space of the networks.
            codes: Their codes [n, choices].
            values: Their measured costs [n].
            seed: Seed of the folds.
            noise: Deviations [n] of the values themselves. None where they are unknown.
        """
        solution = solve(space, codes, values, noise)
        # Without the intercept, since each kind of correction has its own.
        costs = solution.own_costs
        return cls(space, costs, codes, values, seed, noise, solution=solution)

    def restrict(self, rows: Mask) -> Self:
        """Return the data of some networks alone, from which costs are solved anew."""
        networks = super().restrict(rows)
        return self.from_networks(
            self.space, networks.codes, networks.values, self.seed, networks.noise
        )

    @cached_property
    def mask(self) -> Mask:
        """Which networks [n] were not disturbed, and so in the solution."""
        return self.solution.mask

    def _fit_ridge(self) -> tuple[CostTable, Correction]:
        """Return the solution, whose residuals are of networks left out of it already."""
        intercept = self.solution.correction.intercept
        if isinstance(self.plain, AdditiveTable):
            sums: CostTable = AdditiveTable(self.plain.fixed + intercept, self.plain.terms)
        else:
            sums = counted_sums(self.space, self.costs, intercept)
        return sums, self.solution.correction

    @property
    def _naive_sigma(self) -> float:
        return self.solution.correction.naive_sigma


@dataclass(frozen=True, kw_only=True)
class SolvedEnergyFitting(Fitting):
    """Energies of networks, next to the latencies that the costs of blocks were solved from.

    Args:
        latencies: Latencies [n] of the networks.
    """

    latencies: Array

    def restrict(self, rows: Mask) -> Self:
        """Return the data of some networks alone, from whose latencies costs are solved anew."""
        networks = replace(super().restrict(rows), latencies=self.latencies[rows])
        solution = solve(self.space, networks.codes, networks.latencies)
        sums = block_sums(self.space, lambda block: solution.costs[block.key])(networks.codes)

        power = mean_power(networks.values, sums)
        return replace(networks, costs={key: power * ms for key, ms in solution.costs.items()})

    def fit(self, kind: str) -> tuple[CostTable, Correction]:
        """Fit a correction on the undisturbed networks, with cross-validated residuals."""
        corrected, correction = super().fit(kind)
        if kind != "ridge":
            return corrected, correction

        # Leave-one-out residuals of the ridge are of costs that were solved from all networks.
        residual = self.fold_error(kind)
        return corrected, replace(correction, residual=residual, sigma=residual)


def mean_power(energies: Array, latencies: Array) -> float:
    """Return the power that explains energies [n] by latencies [n], in mJ / ms = W.

    It is that of least squares through the origin.
    """
    return float(energies @ latencies / (latencies @ latencies))
