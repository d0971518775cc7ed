"""Constraints: limits on costs, bound to the cost model that tells whether they are met."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import Infeasible, InvalidConstraint
from spaces.space import Architectures, SearchSpace
from tables.cost.model import CostModel, counting_model
from tables.cost.peaks import PeakTable
from tables.lookup_table import LookupTable
from tables.metrics import COUNTS, MARGIN, MEASURED, canonical_metric

_LEAST = {
    "latency_ms": "the fastest network of {space} takes {least:.4g} ms on {device}",
    "memory_bytes": (
        "the leanest network of {space} holds {least:.0f} bytes of activations at once on {device}"
    ),
    "energy_mj": "the thriftiest network of {space} takes {least:.4g} mJ a run on {device}",
    "macs": "the smallest network of {space} has {least:.0f} macs",
    "params": "the smallest network of {space} has {least:.0f} params",
}

_TEXT = re.compile(
    r"\s*(?P<metric>\w+)\s*<=\s*(?P<maximum>[0-9.eE+-]+)\s*(?:@\s*(?P<table>.+?)\s*)?"
)


@dataclass(frozen=True)
class Limit:
    """A constraint as a user states it.

    Args:
        metric: `latency_ms`, `memory_bytes`, `energy_mj`, `macs` (or `flops`), `params`.
        maximum: in the metric's unit.
        table: name or path of the lookup table; needed for what a device tells, not allowed for
            counts.
    """

    metric: str
    maximum: float
    table: str | None = None

    def __post_init__(self) -> None:
        metric = canonical_metric(self.metric)
        if not np.isfinite(self.maximum) or self.maximum <= 0:
            raise InvalidConstraint(
                f"{self.metric}: the maximum must be a positive number, not {self.maximum}"
            )
        if metric in MEASURED and self.table is None:
            text = f"{metric}<={self.maximum:g}@TABLE"
            raise InvalidConstraint(f"{metric} is told by a device's table; name one: {text}")
        if metric in COUNTS and self.table is not None:
            raise InvalidConstraint(
                f"{self.metric}: a count needs no table; write {self.metric}<={self.maximum:g}"
            )

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read `latency_ms<=12@TABLE` or `flops<=330e6`; raises InvalidConstraint."""
        match = _TEXT.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            return cls(match["metric"], float(match["maximum"]), match["table"])
        except ValueError as error:
            raise InvalidConstraint(
                f"not a constraint: {text!r}; one reads like 'latency_ms<=12@TABLE' or"
                " 'flops<=330e6'"
            ) from error

    def bind(
        self, space: SearchSpace, load: Callable[[str], LookupTable], margin: float = MARGIN
    ) -> Constraint:
        """The constraint on a space.

        Args:
            space: what is searched.
            load: finds a table by name.
            margin: deviations kept below the limit.

        Raises:
            Infeasible: no network of the space meets it.
            MissingFigures: the table does not tell the metric.
        """
        if self.table is None:
            model, device = counting_model(space, self.metric), None
        else:
            table = load(self.table)
            model, device = table.cost_model(space, self.metric), table.name
        constraint = Constraint(canonical_metric(self.metric), self.maximum, model, margin, device)
        constraint.check_feasible()
        return constraint


@dataclass(frozen=True)
class Constraint:
    """A limit with its cost model: met when estimate + margin x sigma <= maximum.

    Args:
        metric: canonical name.
        maximum: in the metric's unit.
        model: estimates the cost.
        margin: deviations kept below the limit.
        device: the table's name, None for counts.
    """

    metric: str
    maximum: float
    model: CostModel
    margin: float = MARGIN
    device: str | None = None

    def met(self, architectures: Architectures) -> NDArray[np.bool_]:
        """Whether each of codes [n, choices] meets the constraint, bool array [n]."""
        met: NDArray[np.bool_] = self.upper(architectures) <= self.maximum
        return met

    def upper(self, architectures: Architectures) -> NDArray[np.float64]:
        """What is held against the maximum: costs of codes [n, choices] with the margin, [n]."""
        return self.model.upper(architectures, self.margin)

    def excess(self, architectures: Architectures) -> NDArray[np.float64]:
        """By which share of the maximum each of codes [n, choices] is above it, float array [n]; 0
        where it is met.
        """
        return np.maximum(self.upper(architectures) - self.maximum, 0.0) / self.maximum

    @property
    def label(self) -> str:
        """The metric, with its device where it has one."""
        return self.metric if self.device is None else f"{self.metric}@{self.device}"

    @property
    def allowed(self) -> list[NDArray[np.bool_]] | None:
        """For each choice which candidates meet the constraint, bool arrays [candidates], where
        each is judged alone.

        So it is for what a network needs at once: those that meet it are exactly all combinations
        of these candidates. None for sums, of which one choice's part depends on the others', and
        where choices depend on each other.
        """
        if not isinstance(self.model.table, PeakTable) or self.model.space.irregular:
            return None
        return self.model.table.within(self.maximum - self.margin * (self.model.sigma or 0.0))

    def check_feasible(self) -> None:
        """Raise Infeasible, with the least that is possible, where no network meets the
        constraint.
        """
        least = self.model.bounds()[0].value
        reach = least + self.margin * (self.model.sigma or 0.0)
        if reach <= self.maximum:
            return
        text = _LEAST[self.metric].format(
            space=self.model.space.name, least=least, device=self.device
        )
        if least <= self.maximum:
            with_margin = f"with the margin of {self.margin:g} sigma (a margin of 0 leaves it out)"
            text += f", {reach:.4g} {self.model.unit} {with_margin}"
        raise Infeasible(
            f"{text}; asked for at most {self.maximum:g}", self.metric, self.maximum, reach
        )

    def to_dict(self) -> dict[str, Any]:
        """What a result records of the constraint."""
        return {
            "metric": self.metric,
            "maximum": self.maximum,
            "table": self.device,
            "margin": self.margin,
            "sigma": self.model.sigma,
        }
