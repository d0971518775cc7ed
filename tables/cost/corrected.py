"""Corrected costs of a lookup table: latencies and energies, by its whole networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tables.cost.fitting import Array, Codes, Fitting
from tables.cost.ridge import Correction, disturbance_slope
from tables.cost.solved_fitting import SolvedEnergyFitting, SolvedFitting
from tables.cost.sums import CostTable, block_sums

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

_COMPARED = ("ridge", "linear", "mlp")
"""Kinds of which `best` selects: a recurrent network takes seconds to minutes for its folds."""


def corrected_sums(
    table: LookupTable, space: SearchSpace, kind: str
) -> tuple[CostTable, Correction]:
    """Fit a correction of latencies on a table's whole networks.

    Args:
        table: Lookup table with networks of this space.
        space: Space of the architectures.
        kind: One of `CORRECTIONS`, or `best`: of ridge, linear and mlp the one with the smallest
            5-fold residuals.

    Returns:
        The corrected costs and the fitted correction; with `best`, its scores are those of all
        kinds.
    """
    return _fit(_latency_fitting(table, space), kind)


def corrected_energies(
    table: LookupTable, space: SearchSpace, costs: Mapping[str, float], kind: str
) -> tuple[CostTable, Correction]:
    """Fit a correction of energies, as `corrected_sums` does of latencies.

    Args:
        table: Lookup table with the energies of networks of this space.
        space: Space of the architectures.
        costs: Block key -> energy by its latency, for every key of the space.
        kind: One of `CORRECTIONS`, or `best`.
    """
    counted = np.array([sample.energy_mj is not None for sample in table.networks])
    energies = np.array([sample.energy_mj for sample in table.networks], dtype=np.float64)[counted]
    network_codes, latencies = table.network_latencies()
    codes = space.check(network_codes[counted])

    if table.is_solved:
        solved = SolvedEnergyFitting(
            space, costs, codes, energies, table.seed, latencies=latencies[counted]
        )
        return _fit(solved, kind)
    return _fit(Fitting(space, costs, codes, energies, table.seed), kind)


def drift_corrected_networks(table: LookupTable, space: SearchSpace) -> tuple[Codes, Array]:
    """Return codes [n, choices] and latencies [n] of networks as corrections are fitted on them.

    Drift is divided out, and so are disturbances of single runs as far as the networks' own blocks
    show them.
    """
    fitting = _latency_fitting(table, space)
    return fitting.codes, fitting.values


def _fit(fitting: Fitting, kind: str) -> tuple[CostTable, Correction]:
    if kind != "best":
        return fitting.fit(kind)

    # By the same folds for all kinds, and never by the residuals that they were fitted on.
    scores = {candidate: fitting.fold_error(candidate) for candidate in _COMPARED}
    corrected, correction = fitting.fit(min(scores, key=lambda candidate: scores[candidate]))
    return corrected, replace(correction, scores=scores)


def _latency_fitting(table: LookupTable, space: SearchSpace) -> Fitting:
    network_codes, latencies = table.network_latencies()
    codes = space.check(network_codes)
    noise = table.network_noise()
    costs = {key: cost.latency_ms for key, cost in table.blocks.items()}

    # Blocks whose costs are solved were not timed, so that no disturbance of theirs is known.
    if table.is_solved:
        return SolvedFitting.from_networks(space, codes, latencies, table.seed, noise)

    sums: Array = block_sums(space, lambda block: costs[block.key])(codes)
    disturbance = table.network_disturbance(sums)
    if disturbance is not None:
        timed = ~np.isnan(disturbance)
        excess = np.log(latencies[timed] / sums[timed])
        # A network has a fraction of the disturbance of its blocks: the slope of one on the other.
        fraction = disturbance_slope(np.log(disturbance[timed]), excess)
        latencies[timed] /= disturbance[timed] ** fraction
        # That fraction may be the reason why its runs differ: only the remainder is proven noise.
        noise[timed] *= 1 - fraction

    return Fitting(space, costs, codes, latencies, table.seed, noise)
