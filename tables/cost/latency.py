"""The latency of networks by a lookup table, corrected by its whole networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.errors import UnknownName
from tables.conditions import LENGTHS
from tables.cost.corrected import corrected_sums
from tables.cost.fitting import CORRECTIONS
from tables.cost.model import CostModel
from tables.cost.sums import block_sums
from tables.errors import MissingBlock, MissingFigures

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

METRIC = "latency_ms"

FEWEST_NETWORKS = 8
"""Fewest measured networks that a correction is fitted on."""


def latency_model(
    table: LookupTable, space: SearchSpace, correction: str = "ridge", metric: str = METRIC
) -> CostModel:
    """Build the latency model of a table for a space.

    It is corrected by the table's whole networks where they are of the same space and at least
    `FEWEST_NETWORKS`. Elsewhere its deviation is the one that the table states: an importer's, or
    that of an adaptation, whose blocks explain the measured networks already.

    Args:
        table: The lookup table.
        space: The space whose architectures are estimated.
        correction: `none`, one of `tables.cost.fitting.CORRECTIONS`, or `best`, which compares
            these by cross-validation.
        metric: Name of the latency in the model.

    Raises:
        MissingBlock: The table lacks a block of the space.
        MissingFigures: It was measured in several phases.
        UnknownName: No correction has this name.
    """
    check_correction(correction)
    if table.phases:
        names = " and ".join(table.latency_metrics)
        raise MissingFigures(table.name, metric, f"networks were measured in phases: {names}")

    check_blocks(table, space)
    plain = block_sums(space, lambda block: table.blocks[block.key].latency_ms)

    # Networks of another space have other codes, which no feature of this one describes.
    has_networks = table.space == space.name and len(table.networks) >= FEWEST_NETWORKS
    if correction == "none" or table.sigma_ms is not None or not has_networks:
        return CostModel(space, metric, plain, table.sigma_ms, table.name, block_sum=plain)

    corrected, fitted = corrected_sums(table, space, correction)
    return CostModel(space, metric, corrected, fitted.sigma, table.name, fitted, plain)


def phase_model(
    table: LookupTable, space: SearchSpace, phase: str, correction: str = "ridge"
) -> CostModel:
    """Build the latency model of one phase of networks of text.

    Args:
        table: Lookup table that was measured in phases.
        space: Space whose architectures are estimated.
        phase: `prefill` or `decode`.
        correction: As for `latency_model`.

    Raises:
        MissingBlock: The table lacks a block of the space.
        MissingFigures: The table, or the space, has no such phase.
        UnknownName: No correction has this name.
    """
    metric = f"{phase}_ms"
    if phase not in table.phases or phase not in space.phases:
        raise MissingFigures(table.name, metric, "its networks run in one phase: latency_ms")
    length = int(table.conditions[LENGTHS[phase]])
    return latency_model(table.at_phase(phase), space.at_phase(phase, length), correction, metric)


def check_correction(correction: str) -> None:
    """Raise UnknownName unless `correction` names one."""
    if correction not in ("none", "best", *CORRECTIONS):
        raise UnknownName("correction", correction, ("none", "best", *CORRECTIONS))


def check_blocks(table: LookupTable, space: SearchSpace) -> None:
    """Raise MissingBlock where a table lacks a block of a space."""
    missing = [key for key in space.all_blocks if key not in table.blocks]
    if missing:
        raise MissingBlock(table.name, space.name, missing)
