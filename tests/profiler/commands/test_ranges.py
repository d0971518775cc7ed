"""The range of a space's costs, as commands print it."""

from dataclasses import replace

import spaces
from profiler.commands.ranges import cost_range
from spaces.chains.additive import AdditiveTable
from tables.cost.model import counting_model


def test_costs_below_zero_are_not_told_as_those_of_networks() -> None:
    model = counting_model(spaces.get("spos-tiny"), "macs")
    least, greatest = (bound.value for bound in model.bounds())
    assert cost_range(model, "M", 1e6) == f"{least / 1e6:.4g} to {greatest / 1e6:.4g} M"

    table = model.table
    assert isinstance(table, AdditiveTable)
    poor = replace(model, table=AdditiveTable(table.fixed - least - 2000, table.terms))

    assert cost_range(poor, "M", 1e6) == (
        f"up to {(greatest - least - 2000) / 1e6:.4g} M (the smallest ones are estimated at -0.002"
        " M, within the error of this table)"
    )
