"""The JSON bodies of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.jobs import JsonObject

_GUIDE_KINDS = ("predictor", "lower-bound", "supernet", "benchmark")


def search_body(
    fields: Mapping[str, Any],
    constraints: Mapping[str, float | Mapping[str, float]],
    objectives: Sequence[str] | None,
    strategy: Mapping[str, Any],
    guide: str | None,
    rank_by: str | None = None,
    under: Sequence[str] = (),
) -> JsonObject:
    """Build the body of POST /search; values of None are left to the service's defaults.

    Args:
        fields: Field -> value, for the fields that are sent as they are.
        constraints: Metric -> maximum, or `{"max": maximum}`.
        objectives: Costs that are traded for the score.
        strategy: Name and options of the strategy.
        guide: Name of a predictor, or `KIND:NAME`.
        rank_by: Metric by which a supernet ranks networks, or several with their weights.
        under: Perturbations under which a supernet's networks are evaluated.
    """
    guide_field: JsonObject | None = None if guide is None else guide_from_text(guide)
    evaluation = without_none({"rank_by": rank_by, "under": list(under) or None})
    if evaluation:
        # Supernets alone are evaluated: without a name, the space's only one is meant.
        guide_field = {**(guide_field or {"kind": "supernet"}), **evaluation}
    limits = {
        metric: limit if isinstance(limit, Mapping) else {"max": limit}
        for metric, limit in constraints.items()
    }
    return without_none(
        {
            **fields,
            "constraints": limits or None,
            "objectives": list(objectives) if objectives else None,
            "strategy": without_none(strategy) or None,
            "guide": guide_field,
        }
    )


def guide_from_text(text: str) -> JsonObject:
    """Parse the guide `NAME` (a predictor) or `KIND:NAME`."""
    # A predictor's name may contain a colon itself.
    kind, colon, name = text.partition(":")
    if colon and kind in _GUIDE_KINDS:
        return {"kind": kind, "name": name}
    return {"kind": "predictor", "name": text}


def without_none(value: Mapping[str, Any]) -> JsonObject:
    """Return a JSON object without the fields whose value is None."""
    return {key: item for key, item in value.items() if item is not None}


def shared_field(shared: bool) -> dict[str, bool]:
    """Return the field of an upload that becomes everybody's."""
    # Left out by default, as services of earlier versions refuse unknown fields.
    return {"shared": True} if shared else {}
