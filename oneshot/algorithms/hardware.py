"""Hardware cost in the loss of a search: cost models of targets, and terms of the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from oneshot.errors import InvalidObjective, InvalidOption
from oneshot.search.objective import Objective
from tables.cost.model import CostModel

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

FORMS = ("mul#log", "add#linear", "mul#power")
"""Names of the forms of the loss: two of the release of ProxylessNAS, and that of aw_nas."""

# Costs below this are converted to microseconds, since the logarithm of 1 is 0.
_FEW_MS = 10.0


class HardwareTerm(Protocol):
    """Combines the cross-entropy and the expected cost to one loss."""

    def __call__(self, loss: Tensor, cost: Tensor) -> Tensor:
        """Return the loss with the hardware term.

        Args:
            loss: Cross-entropy, a scalar.
            cost: Expected cost in the cost model's unit, a scalar.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the term as a run records it."""


@dataclass(frozen=True)
class MultiplyLog:
    """Loss alpha CE (ln E / ln reference)^beta, the release's `mul#log` (arXiv 1812.00332).

    Args:
        reference: Target of the expected cost, in the model's unit.
        unit: Unit of the logarithm's argument.
        scale: Factor from the model's unit to `unit`.
        alpha: Factor of the loss (0.2 on the release's command line).
        beta: Exponent of the ratio (0.3 on the release's command line).
    """

    reference: float
    unit: str
    scale: float = 1.0
    alpha: float = 0.2
    beta: float = 0.3

    @classmethod
    def of(
        cls, model: CostModel, reference: float, alpha: float = 0.2, beta: float = 0.3
    ) -> MultiplyLog:
        """Make the term for a cost model.

        Milliseconds are converted to microseconds if the reference or a network is below 10.

        Args:
            model: Model of the cost.
            reference: Target of the expected cost, in the model's unit.
            alpha: Factor of the loss.
            beta: Exponent of the ratio.

        Raises:
            InvalidOption: A cost is 1 or less, so that its logarithm is not positive.
        """
        least = min(reference, model.bounds()[0].value)
        unit, scale = (
            ("microseconds", 1e3) if model.unit == "ms" and least < _FEW_MS else (model.unit, 1.0)
        )

        # A power of a negative logarithm is not a number.
        for name, value in (("reference", reference), ("the least cost of a network", least)):
            if value * scale <= 1:
                raise InvalidOption(
                    f"mul#log: {name} must be above 1 {unit}, not {value * scale:g}; use add#linear"
                )

        return cls(reference, unit, scale, alpha, beta)

    def __call__(self, loss: Tensor, cost: Tensor) -> Tensor:
        return (
            self.alpha
            * loss
            * ((self.scale * cost).log() / math.log(self.scale * self.reference)) ** self.beta
        )

    def to_dict(self) -> dict[str, Any]:
        """What a run records."""
        return {"form": "mul#log", **_plain(self)}


@dataclass(frozen=True)
class AddLinear:
    """Loss CE + weight (E - reference) / reference, the release's `add#linear`.

    Args:
        reference: Target of the expected cost, in the model's unit.
        unit: Unit of the reference.
        weight: Weight of the term, lambda of the release.
    """

    reference: float
    unit: str
    weight: float = 0.1

    def __call__(self, loss: Tensor, cost: Tensor) -> Tensor:
        return loss + self.weight * (cost - self.reference) / self.reference

    def to_dict(self) -> dict[str, Any]:
        """What a run records."""
        return {"form": "add#linear", **_plain(self)}


@dataclass(frozen=True)
class MultiplyPower:
    """Loss CE (E / reference)^exponent, the charge for FLOPs of aw_nas (`--charge`).

    Args:
        reference: Budget of the expected cost, in the model's unit.
        unit: Unit of the reference.
        above: Exponent for costs above the reference.
        below: Exponent for costs below it; 0 does not reward them.
    """

    reference: float
    unit: str
    above: float
    below: float

    def __call__(self, loss: Tensor, cost: Tensor) -> Tensor:
        ratio = cost / self.reference
        exponent = self.above if float(ratio.detach()) > 1 else self.below
        return loss * ratio**exponent

    def to_dict(self) -> dict[str, Any]:
        """What a run records."""
        return {"form": "mul#power", **_plain(self)}


class Lagrange:
    """Loss CE + multiplier h + square/2 h^2 with h = (E - limit) / limit (method of multipliers).

    The multiplier integrates h and may turn negative: then the cost is below the limit, and the
    term rewards using the budget up. The square damps the cost, which otherwise oscillates around
    the limit.

    Args:
        limit: Limit on the expected cost, in the model's unit.
        unit: Unit of the limit.
        rate: Step of the multiplier per unit of h.
        square: Weight of the quadratic penalty.
    """

    def __init__(self, limit: float, unit: str, rate: float = 0.1, square: float = 10.0):
        if not limit > 0:
            raise InvalidOption(
                f"constraint: the limit must be above 0 behind its margin, not {limit:g}"
            )

        self.limit = limit
        self.unit = unit
        self.rate = rate
        self.square = square
        self.multiplier = 0.0

    def excess(self, cost: Tensor) -> Tensor:
        """Return h, the excess of a cost over the limit as a fraction of the limit."""
        return (cost - self.limit) / self.limit

    def __call__(self, loss: Tensor, cost: Tensor) -> Tensor:
        h = self.excess(cost)
        return loss + self.multiplier * h + self.square / 2 * h**2

    def follow(self, cost: Tensor) -> None:
        """Move the multiplier after an update, with `cost` the expected cost after it."""
        # Gradient ascent on the multiplier: the dual step of the method.
        self.multiplier += self.rate * float(self.excess(cost.detach()))

    def to_dict(self) -> dict[str, Any]:
        """What a run records."""
        return {
            "form": "lagrange",
            "limit": self.limit,
            "unit": self.unit,
            "rate": self.rate,
            "square": self.square,
        }


def _plain(term: Any) -> dict[str, Any]:
    """Return the attributes of a term by name."""
    return dict(vars(term))


def hardware_term(
    form: str,
    model: CostModel,
    reference: float | None = None,
    *,
    alpha: float = 0.2,
    beta: float = 0.3,
    weight: float = 0.1,
    above: float = 0.07,
    below: float | None = None,
) -> MultiplyLog | AddLinear | MultiplyPower:
    """Make the hardware term of a form.

    Args:
        form: Form of the loss, `mul#log`, `add#linear` or `mul#power`.
        model: Model of the cost.
        reference: Target of the expected cost in the model's unit; None: the mean over all
            networks.
        alpha: Factor of `mul#log`.
        beta: Exponent of `mul#log`.
        weight: Weight of `add#linear`.
        above: Exponent of `mul#power` for costs above the reference.
        below: Exponent of `mul#power` for costs below it; None: that of costs above.

    Raises:
        InvalidOption: The form is unknown, or the reference does not suit it.
        NotAdditive: Costs of the space are not sums over choices.
    """
    if form not in FORMS:
        raise InvalidOption(f"form must be one of {', '.join(FORMS)}, not {form!r}")

    if reference is None:
        reference = float(uniform_cost(model))
    if not 0 < reference < math.inf:
        raise InvalidOption(f"reference must be positive, not {reference:g}")

    if form == "mul#log":
        return MultiplyLog.of(model, reference, alpha, beta)
    if form == "mul#power":
        return MultiplyPower(reference, model.unit, above, above if below is None else below)
    return AddLinear(reference, model.unit, weight)


def uniform_cost(model: CostModel) -> Tensor:
    """Return the expected cost if all candidates are equally likely: the mean over all networks."""
    counts = [len(choice.candidates) for choice in model.space.choices]
    return model.expected(
        [torch.full((count,), 1 / count, dtype=torch.float64) for count in counts]
    )


def cost_of(text: str, space: SearchSpace, load: Callable[[str], LookupTable]) -> CostModel:
    """Return the cost model that a target names.

    A target is `flops`, `params`, or a metric of a table such as `latency_ms@TABLE`.

    Args:
        text: Target as the user wrote it.
        space: Space that is searched.
        load: Function that loads a table by its name or path.

    Raises:
        InvalidObjective: The text is not a target.
        UnknownName: There is no such metric or table.
        MissingFigures: The table does not have the metric.
    """
    objective = Objective.parse(text, space, load)
    # None is an objective that is not a cost, such as the accuracy.
    if objective is None:
        raise InvalidObjective(
            f"target {text!r} is no cost; one reads like 'latency_ms@TABLE', 'flops' or 'params'"
        )

    return objective.model
