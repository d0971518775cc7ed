"""Objectives: costs that a search trades for the guide's score."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from oneshot.errors import InvalidObjective
from spaces.space import SearchSpace
from tables.cost.model import CostModel, CostSource, counting_model
from tables.metrics import MEASURED, canonical_metric

SCORES = ("accuracy", "score")
"""Names of the guide's score, which every search maximises."""

_TEXT = re.compile(r"\s*(?P<metric>\w+)\s*(?:@\s*(?P<table>.+?)\s*)?")


@dataclass(frozen=True)
class Objective:
    """A cost that a search minimises while it maximises the score.

    Args:
        metric: Canonical name of the metric.
        model: Model that estimates the cost.

    Example:
        >>> import spaces
        >>> Objective.parse("flops", spaces.get("spos-tiny"), load=print).metric
        'macs'
    """

    metric: str
    model: CostModel

    @property
    def device(self) -> str | None:
        """Name of the lookup table; None for a count."""
        return self.model.device

    @classmethod
    def parse(
        cls, text: str, space: SearchSpace, load: Callable[[str], CostSource]
    ) -> Objective | None:
        """Read an objective such as `flops`, `params` or `latency_ms@TABLE`.

        Args:
            text: Metric; a measured one, such as memory or energy, names its table.
            space: Space of the search.
            load: Loads a device's costs by the name or path of its table.

        Returns:
            The objective; None for `accuracy`, which every search maximises.

        Raises:
            InvalidObjective: The text is no objective.
            UnknownName: The metric or the table does not exist.
            MissingFigures: The table has no figures of the metric.
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
