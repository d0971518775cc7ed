"""The range of a space's costs, as commands print it."""

from __future__ import annotations

from tables.cost.model import CostModel


def cost_range(model: CostModel, unit: str, divisor: float = 1.0) -> str:
    """Describe the least and the greatest cost of a space, such as `0.8 to 3.1 ms`.

    Estimates by a table of few or disturbed measurements may be 0 or less for the smallest
    networks; no network takes that.

    Args:
        model: Model of the cost.
        unit: Unit that is printed.
        divisor: Number of the model's units in it.
    """
    least, greatest = (bound.value / divisor for bound in model.bounds())
    caveat = "" if model.exact_bounds else ", as far as a search finds,"
    if least > 0:
        return f"{least:.4g} to {greatest:.4g} {unit}{caveat}"
    return (
        f"up to {greatest:.4g} {unit}{caveat} (the smallest ones are estimated at"
        f" {least:.2g} {unit}, within the error of this table)"
    )
