"""The JSON of requests, from what Python's callers write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_KINDS = ("predictor", "supernet", "benchmark")


def search_body(
    plain: Mapping[str, Any],
    constraints: Mapping[str, float | Mapping[str, float]],
    objectives: Sequence[str] | None,
    strategy: Mapping[str, Any],
    guide: str | None,
) -> dict[str, Any]:
    """The body of POST /search, without what is left to the service's defaults.

    Args:
        plain: field -> value; None leaves it out, as everywhere.
        constraints: metric -> maximum, or `{"max": maximum}`.
        objectives: costs to be traded for the score.
        strategy: its name and options.
        guide: a predictor's name, or `KIND:NAME`.
    """
    limits = {
        metric: limit if isinstance(limit, Mapping) else {"max": limit}
        for metric, limit in constraints.items()
    }
    body = {
        **plain,
        "constraints": limits or None,
        "objectives": list(objectives) if objectives else None,
        "strategy": _given(strategy) or None,
        "guide": None if guide is None else guide_choice(guide),
    }
    return _given(body)


def guide_choice(text: str) -> dict[str, str]:
    """The guide of `NAME` (a predictor), `KIND:NAME`, or `KIND` alone for the only one."""
    kind, colon, name = text.partition(":")
    if colon and kind in _KINDS:
        return {"kind": kind, "name": name}
    return {"kind": "predictor", "name": text}


def _given(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}
