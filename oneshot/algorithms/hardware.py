"""Hardware in the loss of a search: what costs are trained for, and the terms that do it."""

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

FORMS = ("mul#log", "add#linear")
"""The release's names of the two forms of the loss."""

_FEW_MS = 10.0  # costs below this are told in microseconds: the logarithm of 1 is 0


class HardwareTerm(Protocol):
    """Makes a loss of the cross-entropy and of the expected cost."""

    def __call__(self, loss: Tensor, cost: Tensor) -> Tensor:
        """The loss with the hardware's term; both are scalars, the cost in the cost model's
        unit.
        """

    def to_dict(self) -> dict[str, Any]:
        """What a run records of it."""


@dataclass(frozen=True)
class MultiplyLog:
    """alpha CE (ln E / ln reference)^beta, the release's `mul#log` (Cai et al., arXiv 1812.00332).

    Args:
        reference: the cost that is aimed at, in the model's unit.
        unit: of the logarithm's argument.
        scale: the model's unit in this unit.
        alpha: the factor, 0.2 on the release's command line.
        beta: the exponent, 0.3 there.
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
        """The term of a cost model; milliseconds become microseconds where the reference or a
        network is below 10.

        Raises:
            InvalidOption: a cost of 1 or less, of which the logarithm has no sign to rely on.
        """
        least = min(reference, model.bounds()[0].value)
        unit, scale = (
            ("microseconds", 1e3) if model.unit == "ms" and least < _FEW_MS else (model.unit, 1.0)
        )
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
    """CE + weight (E - reference) / reference, the release's `add#linear`.

    Args:
        reference: the cost that is aimed at, in the model's unit.
        unit: of it.
        weight: the release's lambda.
    """

    reference: float
    unit: str
    weight: float = 0.1

    def __call__(self, loss: Tensor, cost: Tensor) -> Tensor:
        return loss + self.weight * (cost - self.reference) / self.reference

    def to_dict(self) -> dict[str, Any]:
        """What a run records."""
        return {"form": "add#linear", **_plain(self)}


class Lagrange:
    """CE + multiplier h + square/2 h^2 with h = (E - limit) / limit: the method of multipliers.

    The multiplier follows h and may turn negative: then the limit is not reached, and what it
    allows is used up. The square damps it: without it the cost swings around the limit.

    Args:
        limit: on the expected cost, in the model's unit.
        unit: of it.
        rate: by which the multiplier follows.
        square: weight of the square.
    """

    def __init__(self, limit: float, unit: str, rate: float = 0.1, square: float = 10.0):
        if not limit > 0:
            raise InvalidOption(
                f"constraint: the limit must be above 0 behind its margin, not {limit:g}"
            )
        self.limit, self.unit, self.rate, self.square = limit, unit, rate, square
        self.multiplier = 0.0

    def excess(self, cost: Tensor) -> Tensor:
        """h, the share of the limit by which a cost is above it."""
        return (cost - self.limit) / self.limit

    def __call__(self, loss: Tensor, cost: Tensor) -> Tensor:
        h = self.excess(cost)
        return loss + self.multiplier * h + self.square / 2 * h**2

    def follow(self, cost: Tensor) -> None:
        """Move the multiplier behind an update that left the expected cost at `cost`."""
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
    return dict(vars(term))


def hardware_term(
    form: str,
    model: CostModel,
    reference: float | None = None,
    *,
    alpha: float = 0.2,
    beta: float = 0.3,
    weight: float = 0.1,
) -> MultiplyLog | AddLinear:
    """The term of a form.

    Args:
        form: `mul#log` or `add#linear`.
        model: of the cost.
        reference: in its unit; None: the mean over all networks.
        alpha: of `mul#log`.
        beta: of `mul#log`.
        weight: of `add#linear`.

    Raises:
        InvalidOption: an unknown form, or a reference that does not suit it.
        NotAdditive: costs of the space are no sums over choices.
    """
    if form not in FORMS:
        raise InvalidOption(f"form must be one of {', '.join(FORMS)}, not {form!r}")
    if reference is None:
        reference = float(uniform_cost(model))
    if not 0 < reference < math.inf:
        raise InvalidOption(f"reference must be positive, not {reference:g}")
    if form == "mul#log":
        return MultiplyLog.of(model, reference, alpha, beta)
    return AddLinear(reference, model.unit, weight)


def uniform_cost(model: CostModel) -> Tensor:
    """The expected cost where all candidates are equally likely, which is the mean over all
    networks.
    """
    counts = [len(choice.candidates) for choice in model.space.choices]
    return model.expected(
        [torch.full((count,), 1 / count, dtype=torch.float64) for count in counts]
    )


# What costs can be trained for


def cost_of(text: str, space: SearchSpace, load: Callable[[str], LookupTable]) -> CostModel:
    """The cost model that a target names: `flops`, `params`, or a metric of a table such as
    `latency_ms@TABLE`.

    Args:
        text: what the user wrote.
        space: what is searched.
        load: finds a table by name or path.

    Raises:
        InvalidObjective: not such a text.
        UnknownName: there is no such metric or table.
        MissingFigures: the table does not tell the metric.
    """
    found = Objective.parse(text, space, load)
    if found is None:
        raise InvalidObjective(
            f"target {text!r} is no cost; one reads like 'latency_ms@TABLE', 'flops' or 'params'"
        )
    return found.model
