"""SearchTask: an accepted search with everything it needs, so that any worker at any time gives the same result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from oneshot.constraint import Constraint, Limit
from service.catalog import FileReference, latency_model
from spaces.space import SearchSpace
from tables.cost_model import canonical_metric
from tables.store import load


@dataclass(frozen=True)
class SearchTask:
    """An accepted search.

    Args:
        space: canonical name.
        table: the device's lookup table, None where no latency is limited.
        predictor: the guide.
        limits: metric -> maximum.
        margin: deviations kept below a limit.
        strategy: its name.
        options: the strategy's.
        count: how many of the best are given in full.
        seed: the same seed gives the same result.
    """

    space: str
    table: FileReference | None
    predictor: FileReference
    limits: Mapping[str, float]
    margin: float
    strategy: str
    options: Mapping[str, Any]
    count: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> SearchTask:
        """Read the object that `to_dict` gives."""
        table = value["table"] and FileReference(**value["table"])
        return cls(**{**value, "table": table, "predictor": FileReference(**value["predictor"])})


def bind(metric: str, maximum: float, space: SearchSpace, table: FileReference | None, margin: float) -> Constraint:
    """A limit bound to its cost model.

    Raises:
        PathfitError: the metric is unknown, latency is limited without a table, the table lacks a block.
        Infeasible: no network of the space meets it.
    """
    if canonical_metric(metric) != "latency_ms" or table is None:
        return Limit(metric, maximum).bind(space, load, margin)
    model = latency_model(table, space)
    constraint = Constraint("latency_ms", maximum, model, margin, model.device)
    constraint.check_feasible()
    return constraint
