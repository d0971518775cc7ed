"""The energy of a network's run, by the whole networks of a lookup table whose device counted
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tables.cost.fitting import corrected_energies
from tables.cost.latency import FEWEST_NETWORKS, check_blocks, check_correction
from tables.cost.model import CostModel
from tables.cost.sums import block_sums
from tables.errors import MissingFigures

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

METRIC = "energy_mj"


def energy_model(table: LookupTable, space: SearchSpace, correction: str = "ridge") -> CostModel:
    """The energy of one run in millijoules, as the table's whole networks tell it.

    energy = power x sum of block latencies + a correction fitted as the latency's is
    (`tables.cost.fitting`): the power is that of all measured networks, and what single candidates
    draw beyond it is in the correction. Counters tell the energy of the whole device, idle parts
    too, and are too slow for single blocks.

    Args:
        table: with the energy of at least eight networks of this space.
        space: whose architectures.
        correction: as of `tables.cost.latency.latency_model`.

    Raises:
        MissingFigures: the device reported no energy, or of too few networks of this space.
        MissingBlock: the table lacks a block of the space.
        UnknownName: no such correction.
    """
    check_correction(correction)
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
    power = float(
        energies @ latencies / (latencies @ latencies)
    )  # watts: millijoules a millisecond
    if not power > 0:
        raise MissingFigures(table.name, METRIC, "its counter stood still while the networks ran")
    costs = {key: power * table.blocks[key].latency_ms for key in space.all_blocks}
    plain = block_sums(space, lambda block: costs[block.key])
    if correction == "none":
        return CostModel(space, METRIC, plain, None, table.name, block_sum=plain)
    sums, found = corrected_energies(space, costs, codes, energies, correction, table.seed)
    return CostModel(space, METRIC, sums, found.sigma, table.name, found, plain)
