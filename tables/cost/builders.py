"""Builders of cost models by metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from tables.conditions import PRUNED
from tables.cost.energy import energy_model
from tables.cost.latency import latency_model, phase_model
from tables.cost.memory import memory_model
from tables.cost.model import CostModel, counting_model
from tables.errors import MissingFigures
from tables.metrics import MEASURED

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

Builder: TypeAlias = "Callable[..., CostModel]"
"""Builds a cost model from a table, a space and the name of a correction."""

BUILDERS: Mapping[str, Builder] = {
    "latency_ms": latency_model,
    "prefill_ms": partial(phase_model, phase="prefill"),
    "decode_ms": partial(phase_model, phase="decode"),
    # A peak is exact: nothing is left to correct.
    "memory_bytes": lambda table, space, correction: memory_model(table, space),
    "energy_mj": energy_model,
}
"""Measured metric -> the builder of its cost model."""


def build_model(
    table: LookupTable, space: SearchSpace, metric: str, correction: str = "ridge"
) -> CostModel:
    """Build the cost model of a metric; see `LookupTable.cost_model`."""
    if metric in BUILDERS:
        # Costs of blocks were solved from what the runtime executes, which has fewer of them.
        if table.conditions.get("graph") == PRUNED:
            space = space.pruned()
        return BUILDERS[metric](table, space, correction=correction)
    # Counts follow from the architecture alone, whatever the table holds.
    return counting_model(space, metric)


def measured_models(table: LookupTable, space: SearchSpace) -> dict[str, CostModel]:
    """Build the cost models of all measured metrics that a table has figures of.

    Returns:
        Metric -> cost model, in the order of `tables.metrics.COSTS`.

    Raises:
        MissingBlock: The table lacks a block of the space.
    """
    models: dict[str, CostModel] = {}
    for metric in MEASURED:
        try:
            models[metric] = build_model(table, space, metric)
        # A table without a counter or an allocator still has its other costs.
        except MissingFigures:
            continue
    return models
