"""Constraints: limits on costs, bound to the cost model that estimates them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import Infeasible, InvalidConstraint
from spaces.space import Architectures, SearchSpace
from tables.cost.model import CostModel, CostSource, counting_model
from tables.cost.peaks import PeakTable
from tables.metrics import COUNTS, MARGIN, MEASURED, canonical_metric

# Messages of Infeasible: the least cost that a network of the space has.
_LEAST = {
    "latency_ms": "the fastest network of {space} takes {least:.4g} ms on {device}",
    "prefill_ms": "the fastest network of {space} reads a prompt in {least:.4g} ms on {device}",
    "decode_ms": "the fastest network of {space} decodes a token in {least:.4g} ms on {device}",
    "memory_bytes": "the leanest network of {space} holds {least:.0f} bytes at once on {device}",
    "energy_mj": "the thriftiest network of {space} takes {least:.4g} mJ a run on {device}",
    "macs": "the smallest network of {space} has {least:.0f} macs",
    "binary_macs": "the smallest network of {space} has {least:.0f} binary_macs",
    "params": "the smallest network of {space} has {least:.0f} params",
}

_TEXT = re.compile(
    r"\s*(?P<metric>\w+)\s*<=\s*(?P<maximum>[0-9.eE+-]+)\s*(?:@\s*(?P<table>.+?)\s*)?"
)


@dataclass(frozen=True)
class Limit:
    """A constraint as a user states it.

    Args:
        metric: `latency_ms`, `prefill_ms`, `decode_ms`, `memory_bytes`, `energy_mj`, `macs` (or
            `flops`), `binary_macs` or `params`.
        maximum: Largest cost, in the metric's unit.
        table: Name or path of the lookup table of a measured metric; None for a count.

    Raises:
        InvalidConstraint: The maximum is not positive, or the table is missing or superfluous.

    Example:
        >>> Limit.parse("flops<=330e6")
        Limit(metric='flops', maximum=330000000.0, table=None)
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

        # A count follows from the space; a measured cost depends on a device.
        if metric in MEASURED and self.table is None:
            raise InvalidConstraint(
                f"{metric}: a measured cost needs a device's table; write"
                f" {metric}<={self.maximum:g}@TABLE"
            )
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
        self, space: SearchSpace, load: Callable[[str], CostSource], margin: float = MARGIN
    ) -> Constraint:
        """Bind the limit to the cost model of a space.

        Args:
            space: Space of the search.
            load: Loads a device's costs by the name or path of its table.
            margin: Number of the model's deviations that estimates stay below the limit.

        Raises:
            Infeasible: No network of the space meets the limit.
            MissingFigures: The table has no figures of the metric.
        """
        device: str | None = None
        if self.table is None:
            model = counting_model(space, self.metric)
        else:
            table = load(self.table)
            model = table.cost_model(space, self.metric)
            device = table.name

        constraint = Constraint(canonical_metric(self.metric), self.maximum, model, margin, device)
        constraint.check_feasible()
        return constraint


@dataclass(frozen=True)
class Constraint:
    """A limit with its cost model, met where estimate + margin x sigma <= maximum.

    Args:
        metric: Canonical name of the metric.
        maximum: Largest cost, in the metric's unit.
        model: Model that estimates the cost.
        margin: Number of the model's deviations sigma that estimates stay below the limit.
        device: Name of the lookup table; None for a count.

    Example:
        >>> import spaces
        >>> from tables.cost.model import counting_model
        >>> space = spaces.get("spos-tiny")
        >>> constraint = Constraint("macs", 2e6, counting_model(space, "macs"))
        >>> constraint.met(space.sample(np.random.default_rng(0), 3)).shape
        (3,)
    """

    metric: str
    maximum: float
    model: CostModel
    margin: float = MARGIN
    device: str | None = None

    @classmethod
    def on_recorded(cls, model: CostModel) -> Constraint:
        """Return the constraint that architectures without a recorded cost do not meet.

        Args:
            model: Model that is not complete; the maximum is the greatest cost that it recorded.
        """
        greatest = model.bounds()[1].value
        return cls(model.metric, greatest, model, margin=0.0, device=model.device)

    def met(self, architectures: Architectures) -> NDArray[np.bool_]:
        """Return whether codes [n, choices] meet the constraint, bool array [n]."""
        met: NDArray[np.bool_] = self.upper(architectures) <= self.maximum
        return met

    def upper(self, architectures: Architectures) -> NDArray[np.float64]:
        """Return the costs [n] of codes [n, choices] plus the margin, which the maximum limits."""
        return self.model.upper(architectures, self.margin)

    def excess(self, architectures: Architectures) -> NDArray[np.float64]:
        """Return the fraction of the maximum by which codes [n, choices] exceed it, [n].

        It is 0 where the constraint is met.
        """
        return np.maximum(self.upper(architectures) - self.maximum, 0.0) / self.maximum

    @property
    def label(self) -> str:
        """The metric, followed by `@` and the device where there is one."""
        return self.metric if self.device is None else f"{self.metric}@{self.device}"

    @property
    def allowed(self) -> list[NDArray[np.bool_]] | None:
        """For each choice, the candidates that meet the constraint, bool arrays [candidates].

        A peak, such as that of memory, is met by exactly all combinations of these candidates. None
        for sums, where a candidate's budget depends on the other choices, and for irregular spaces,
        whose choices depend on each other.
        """
        if not isinstance(self.model.table, PeakTable) or self.model.space.validates_codes:
            return None
        return self.model.table.within(self.maximum - self.margin * (self.model.sigma or 0.0))

    def check_feasible(self) -> None:
        """Raise Infeasible, with the least possible cost, where no network meets the constraint."""
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

        raise Infeasible(f"{text}; the limit is {self.maximum:g}", self.metric, self.maximum, reach)

    @property
    def lacks_margin(self) -> bool:
        """Whether a margin is requested, but the table has no deviation to take it from."""
        return self.margin > 0 and self.model.sigma is None

    @property
    def margin_note(self) -> str | None:
        """Note for the user where the constraint lacks its margin; None where it does not."""
        return missing_margin(self.label, self.model.space.name) if self.lacks_margin else None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that a search result records."""
        return {
            "metric": self.metric,
            "maximum": self.maximum,
            "table": self.device,
            "margin": self.margin,
            "sigma": self.model.sigma,
        }


def missing_margin(label: str, space: str) -> str:
    """Return the note that no margin is kept below a limit.

    Args:
        label: The metric, followed by `@` and the device.
        space: Name of the space.
    """
    return (
        f"{label}: no margin is kept, because the table has no whole networks of {space} to take a"
        " deviation from; lower the limit, or import the table with --sigma"
    )
