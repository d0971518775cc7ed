"""Charges: costs that a search multiplies its loss by, above and below a budget."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidCharge, InvalidObjective
from oneshot.search.guide import Guide
from oneshot.search.objective import Objective
from spaces.space import Architectures, Codes, SearchSpace
from tables.cost.model import CostModel, CostSource

_NUMBER = r"[0-9.]+(?:[eE][+-]?[0-9]+)?"
_TEXT = re.compile(
    rf"\s*(?P<metric>\w+)\s*=\s*(?P<budget>{_NUMBER})\s*\^\s*(?P<above>{_NUMBER})"
    rf"\s*(?:/\s*(?P<below>{_NUMBER})\s*)?(?:@\s*(?P<table>.+?)\s*)?"
)


_LEAST_RATIO = 1e-9


@dataclass(frozen=True)
class Charge:
    """A charge as a user states it: loss x (cost / budget)^exponent.

    Args:
        target: Cost that is charged: `macs` (or `flops`), `params`, or a measured metric with its
            table such as `latency_ms@TABLE`.
        budget: Cost at which the loss is unchanged, in the metric's unit.
        above: Exponent for costs above the budget.
        below: Exponent for costs below the budget; 0 does not reward them.

    Raises:
        InvalidCharge: The budget is not above 0, or an exponent is negative or too large.

    Example:
        >>> Charge.parse("macs=2e8^0.07")
        Charge(target='macs', budget=200000000.0, above=0.07, below=0.07)
        >>> Charge.parse("latency_ms=12^0.1/0@phone").target
        'latency_ms@phone'
    """

    target: str
    budget: float
    above: float
    below: float

    def __post_init__(self) -> None:
        if not 0 < self.budget < math.inf:
            raise InvalidCharge(f"charge: the budget must be above 0, not {self.budget:g}")
        for name, exponent in (("above", self.above), ("below", self.below)):
            # The cost of a network may be thousands of budgets; no factor may overflow.
            if not 0 <= exponent <= 10:
                raise InvalidCharge(
                    f"charge: the exponent {name} the budget must be from 0 to 10, not {exponent:g}"
                )

    @classmethod
    def parse(cls, text: str) -> Charge:
        """Read `METRIC=BUDGET^EXPONENT[/EXPONENT BELOW][@TABLE]`; raises InvalidCharge."""
        match = _TEXT.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            budget, above = float(match["budget"]), float(match["above"])
            below = above if match["below"] is None else float(match["below"])
        except ValueError as error:
            raise InvalidCharge(
                f"not a charge: {text!r:.80}; one reads like 'macs=2e8^0.07', 'macs=2e8^0.07/0' or"
                " 'latency_ms=12^0.07@TABLE'"
            ) from error
        table = f"@{match['table']}" if match["table"] else ""
        return cls(match["metric"] + table, budget, above, below)

    def bind(self, space: SearchSpace, load: Callable[[str], CostSource]) -> ChargedCost:
        """Bind the charge to the cost model of a space.

        Args:
            space: Space of the search.
            load: Loads a device's costs by the name or path of its table.

        Raises:
            InvalidCharge: The target is no cost, or its table is missing or superfluous.
            UnknownName: The metric or the table does not exist.
            MissingFigures: The table has no figures of the metric.
        """
        try:
            objective = Objective.parse(self.target, space, load)
        except InvalidObjective as error:
            raise InvalidCharge(str(error).replace("objective", "charge")) from error
        if objective is None:
            raise InvalidCharge(f"charge {self.target!r}: the score is no cost")
        return ChargedCost(objective.metric, objective.model, self)

    def __str__(self) -> str:
        metric, _, table = self.target.partition("@")
        below = "" if self.below == self.above else f"/{self.below:g}"
        return f"{metric}={self.budget:g}^{self.above:g}{below}{'@' + table if table else ''}"


@dataclass(frozen=True)
class ChargedCost:
    """A charge with its cost model.

    Args:
        metric: Canonical name of the metric.
        model: Model that estimates the cost.
        charge: Budget and exponents.
    """

    metric: str
    model: CostModel
    charge: Charge

    @property
    def device(self) -> str | None:
        """Name of the lookup table; None for a count."""
        return self.model.device

    def factors(self, architectures: Architectures) -> NDArray[np.float64]:
        """Return the factors [n] of the losses of codes [n, choices]."""
        ratios = self.model.estimate(architectures) / self.charge.budget
        # A cost of nothing would divide rewards by 0.
        ratios = np.maximum(ratios, _LEAST_RATIO)
        exponents = np.where(ratios > 1, self.charge.above, self.charge.below)
        return np.asarray(ratios**exponents, dtype=np.float64)


class ChargedGuide:
    """A guide whose scores are charged for costs, as in aw_nas.

    A score that is a loss with its sign changed is multiplied by (cost / budget)^exponent, and one
    that is a reward, such as an accuracy, divided by it (Tan et al., "MnasNet", CVPR 2019, equation
    2). Either way greater costs lower it.

    Args:
        guide: Guide that scores architectures.
        charges: Charges, whose factors are multiplied.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> class Constant:
        ...     def score(self, codes):
        ...         return np.full(len(codes), -0.5), np.zeros(len(codes))
        ...
        ...     def to_dict(self):
        ...         return {"kind": "constant"}
        >>> charge = Charge.parse("macs=1e6^1").bind(space, load=print)
        >>> codes = space.sample(np.random.default_rng(0), 3)
        >>> scores, _ = ChargedGuide(Constant(), [charge]).score(codes)
        >>> bool(np.allclose(scores, -0.5 * space.macs(codes) / 1e6))
        True
    """

    def __init__(self, guide: Guide, charges: Sequence[ChargedCost]):
        self.guide = guide
        self.charges = tuple(charges)

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the charged scores [n] and their deviations [n]."""
        scores, deviations = self.guide.score(codes)
        factors = np.prod([charge.factors(codes) for charge in self.charges], axis=0)

        # A negative score is a loss: there a greater factor lowers the score by itself.
        scales = np.where(scores < 0, factors, 1 / factors)
        return scores * scales, deviations * scales

    def describe(self) -> str:
        """Describe the evidence behind the scores, where the guide does."""
        describe = getattr(self.guide, "describe", None)
        return "" if describe is None else str(describe())

    def to_dict(self) -> dict[str, Any]:
        """Return the description of the guide with the charges."""
        description = self.guide.to_dict()
        # Charged scores are no values of a metric, so that they have neither unit nor direction.
        for name in ("unit", "higher_is_better", "title"):
            description.pop(name, None)
        return {**description, "charges": [str(cost.charge) for cost in self.charges]}
