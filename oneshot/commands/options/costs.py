"""The options that limit, trade or charge costs, and the costs that they name."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from spaces.console.options import with_options

if TYPE_CHECKING:
    from oneshot.search.charge import ChargedCost
    from oneshot.search.constraint import Constraint
    from oneshot.search.objective import Objective
    from spaces.space import SearchSpace
    from tables.cost.model import CostSource

cost_options = with_options(
    click.option(
        "--constraint",
        "constraints",
        multiple=True,
        help=(
            "Limit of a cost: latency_ms<=12@TABLE, memory_bytes<=2e6@TABLE, energy_mj<=50@TABLE or"
            " flops<=330e6; may be repeated."
        ),
    ),
    click.option(
        "--objective",
        "objectives",
        multiple=True,
        help="Cost traded for the score: flops, params, latency_ms@TABLE, ...; may be repeated.",
    ),
    click.option(
        "--charge",
        "charges",
        multiple=True,
        help="Cost that the loss is multiplied by, (cost / budget)^exponent: macs=2e8^0.07, with"
        " another exponent below the budget macs=2e8^0.07/0, or latency_ms=12^0.07@TABLE; may be"
        " repeated.",
    ),
)
"""Decorator that adds the options to a command."""


def read_costs(
    space: SearchSpace,
    limits: tuple[str, ...],
    objectives: tuple[str, ...],
    charges: tuple[str, ...],
    margin: float,
) -> tuple[list[Constraint], list[Objective], list[ChargedCost]]:
    """Read the limits of costs, the costs that are traded for the score, and those charged in it.

    Args:
        space: Space of the search.
        limits: Texts of `--constraint`.
        objectives: Texts of `--objective`.
        charges: Texts of `--charge`.
        margin: Deviations of a cost's estimate that are kept below its limit.

    Returns:
        The constraints of the search, its objectives besides the score, and its charges.
    """
    from oneshot.search.charge import Charge
    from oneshot.search.constraint import Constraint, Limit
    from oneshot.search.objective import Objective
    from tables.devices import load_device

    # Several limits and objectives may name one table, which is read once.
    @functools.cache
    def load(name: str) -> CostSource:
        return load_device(name, space)

    constraints = [Limit.parse(text).bind(space, load, margin) for text in limits]
    for constraint in constraints:
        if constraint.margin_note is not None:
            click.echo(constraint.margin_note, err=True)

    # "accuracy" is no objective to trade: every search maximises the score.
    parsed = [Objective.parse(text, space, load) for text in objectives]
    traded = [objective for objective in parsed if objective is not None]

    charged = [Charge.parse(text).bind(space, load) for text in charges]

    # An architecture of unknown cost can neither be traded for its score nor charged.
    models = [objective.model for objective in traded] + [cost.model for cost in charged]
    incomplete = [model for model in models if not model.complete]
    constraints += [Constraint.on_recorded(model) for model in incomplete]
    return constraints, traded, charged
