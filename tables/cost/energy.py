"""The energy of a network's run by the whole networks of a lookup table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tables.cost.corrected import corrected_energies
from tables.cost.latency import FEWEST_NETWORKS, check_blocks, check_correction
from tables.cost.model import CostModel
from tables.cost.solved_fitting import mean_power
from tables.cost.sums import block_sums
from tables.errors import MissingFigures

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

METRIC = "energy_mj"


def energy_model(table: LookupTable, space: SearchSpace, correction: str = "ridge") -> CostModel:
    """Build the model of the energy of one run in millijoules.

    energy = power x sum of block latencies + a correction, which is fitted as the latency's is
    (`tables.cost.corrected`). The power is the mean of all measured networks; deviations of single
    candidates are in the correction. Counters measure the energy of the whole device, its idle
    components included, and are too slow for single blocks.

    Args:
        table: Lookup table with the energy of at least `FEWEST_NETWORKS` networks of the space.
        space: Space of the architectures.
        correction: Kind of correction, as for `tables.cost.latency.latency_model`.

    Raises:
        MissingFigures: The device reported no energy, or of too few networks of this space, or
            networks were measured in several phases.
        MissingBlock: The table lacks a block of the space.
        UnknownName: No correction has this name.
    """
    check_correction(correction)
    # A run of a prompt and one of a token have no energy in common.
    if table.phases:
        raise MissingFigures(table.name, METRIC, "networks of text have one in each phase")
    samples = [sample for sample in table.networks if sample.energy_mj is not None]
    if not samples:
        raise MissingFigures(table.name, METRIC, "the device reported none while it was measured")

    if table.space != space.name or len(samples) < FEWEST_NETWORKS:
        reason = (
            f"it has that of {len(samples)} networks of {table.space}; {FEWEST_NETWORKS} of"
            f" {space.name} are needed"
        )
        raise MissingFigures(table.name, METRIC, reason)
    check_blocks(table, space)

    codes = space.check(np.array([sample.codes for sample in samples], dtype=np.int64))
    energies = np.array([sample.energy_mj for sample in samples], dtype=np.float64)
    latencies = block_sums(space, lambda block: table.blocks[block.key].latency_ms)(codes)
    power = mean_power(energies, latencies)
    if not power > 0:
        raise MissingFigures(table.name, METRIC, "its counter stood still while the networks ran")

    costs = {key: power * table.blocks[key].latency_ms for key in space.all_blocks}
    plain = block_sums(space, lambda block: costs[block.key])

    if correction == "none":
        return CostModel(space, METRIC, plain, None, table.name, block_sum=plain)

    corrected, fitted = corrected_energies(table, space, costs, correction)
    return CostModel(space, METRIC, corrected, fitted.sigma, table.name, fitted, plain)
