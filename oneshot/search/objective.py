"""Objectives: costs that a search trades for the guide's score."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from oneshot.errors import InvalidObjective
from spaces.space import SearchSpace
from tables.cost.model import CostModel, counting_model
from tables.lookup_table import LookupTable
from tables.metrics import MEASURED, canonical_metric

SCORES = ("accuracy", "score")
"""Names of the guide's score, which every search seeks."""

_TEXT = re.compile(r"\s*(?P<metric>\w+)\s*(?:@\s*(?P<table>.+?)\s*)?")


@dataclass(frozen=True)
class Objective:
    """A cost to be low while the score is high.

    Args:
        metric: canonical name.
        model: estimates the cost.
    """

    metric: str
    model: CostModel

    @property
    def device(self) -> str | None:
        """The table's name, None for counts."""
        return self.model.device

    @classmethod
    def parse(
        cls, text: str, space: SearchSpace, load: Callable[[str], LookupTable]
    ) -> Objective | None:
        """Read `flops`, `params` or `latency_ms@TABLE`; None for `accuracy`, which is sought
        anyway.

        Args:
            text: what the user wrote; what a device tells, memory and energy too, names its table.
            space: what is searched.
            load: finds a table by name.

        Raises:
            InvalidObjective: not such a text.
            UnknownName: there is no such metric or table.
            MissingFigures: the table does not tell the metric.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise InvalidObjective(
                f"not an objective: {text!r}; one reads like 'accuracy', 'flops' or"
                " 'latency_ms@TABLE'"
            )
        name, table = match["metric"], match["table"]
        if name in SCORES and table is None:
            return None
        metric = canonical_metric(name)
        if (metric in MEASURED) is (table is None):
            hint = (
                f"name its table: {metric}@TABLE"
                if table is None
                else f"a count needs no table; write {name}"
            )
            raise InvalidObjective(f"objective {text!r}: {hint}")
        if table is None:
            return cls(metric, counting_model(space, metric))
        return cls(metric, load(table).cost_model(space, metric))
