"""What a lookup table tells of a space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables.cost.model import MEASURED, CostModel
from tables.errors import MissingFigures

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable


def models(table: LookupTable, space: SearchSpace) -> dict[str, CostModel]:
    """Metric -> cost model of all that a table tells of a space; what it has no figures of is left out.

    Raises:
        MissingBlock: the table lacks a block of the space.
    """
    found: dict[str, CostModel] = {}
    for metric in MEASURED:
        try:
            found[metric] = table.cost_model(space, metric)
        except MissingFigures:
            continue
    return found
