"""Why a network of a search was chosen: its limits with their margins, and the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.jobs import JsonObject
from service.schemas.search import LimitReason, Reasons
from tables.metrics import COSTS

_TITLES = {
    "latency_ms": "latency",
    "prefill_ms": "latency of a prompt",
    "decode_ms": "latency of a token",
    "macs": "multiply-accumulates",
    "binary_macs": "binary operations",
    "params": "parameters",
    "memory_bytes": "memory",
    "energy_mj": "energy",
}
_GUIDES = {"lower-bound": "lower bound of the predictor"}
_MILLION = 1e6


def explain(
    result: Mapping[str, Any],
    costs: Mapping[str, float],
    rank: int | None,
    record: JsonObject,
) -> Reasons:
    """Explain the choice of a network by what the search and its guide have recorded.

    Args:
        result: Result of the search, as `SearchResult.to_dict` returns it.
        costs: Costs of the network by their names in the result.
        rank: Rank of the network among all candidates, from 0; None if it is on the front only.
        record: The guide's record of its training; empty where nothing is known.
    """
    limits = [_limit(constraint, costs) for constraint in result["constraints"]]
    chosen = _chosen_finalists(result)
    evidence = chosen or _evidence(result["guide"], record, result.get("verdict"))
    count = result["evaluated"]
    position = "On the front" if rank is None else "The best" if rank == 0 else f"Rank {rank + 1}"
    subject = f"{position} of {count:,} networks" if count > 1 else "The only network"
    fitting = "; ".join(_limit_text(limit) for limit in limits) or "without limits"

    return Reasons(limits=limits, evidence=evidence, sentence=f"{subject}: {fitting}; {evidence}.")


def _limit(constraint: Mapping[str, Any], costs: Mapping[str, float]) -> LimitReason:
    metric, device = constraint["metric"], constraint["table"]
    labelled = f"{metric}@{device}"
    # Only the costs on a second device have its name.
    estimate = costs[labelled] if labelled in costs else costs[metric]
    sigma = constraint.get("sigma") or 0.0
    margin = constraint["margin"] if sigma else 0.0

    return LimitReason(
        metric=metric,
        device=device,
        maximum=constraint["maximum"],
        estimate=estimate,
        sigma=sigma,
        margin=margin,
        upper=estimate + margin * sigma,
    )


def _limit_text(limit: LimitReason) -> str:
    title = _TITLES.get(limit.metric, limit.metric.replace("_", " "))
    costs = f"{_amount(limit.metric, limit.upper)} of {_amount(limit.metric, limit.maximum)}"
    if limit.margin:
        deviations = "deviation" if limit.margin == 1 else "deviations"
        return f"{title} at most {costs} with a margin of {limit.margin:g} {deviations}"
    # Counts are exact; the table of a device without a deviation gives no margin.
    return f"{title} {costs}" if limit.device is None else f"{title} {costs} without a margin"


def _amount(metric: str, value: float) -> str:
    unit = COSTS[metric].unit if metric in COSTS else ""
    if metric == "memory_bytes":
        value, unit = value / _MILLION, "MB"
    elif value >= _MILLION:
        value, unit = value / _MILLION, "million"
    return f"{value:.4g} {unit}".strip()


def _chosen_finalists(result: Mapping[str, Any]) -> str | None:
    """Describe what ranked the finalists of a search; None where it has none."""
    if result["strategy"]["name"] != "finalists":
        return None
    first, options = result["strategy"]["options"]["guide"], result["strategy"]["options"]
    data = result["guide"].get("data")
    return (
        f"ranked by short trainings on {data}, the best of {options['evaluated']:,} by the"
        f" {_title(first)} {first.get('name')}"
    )


def _title(guide: Mapping[str, Any]) -> str:
    kind = str(guide.get("kind"))
    return _GUIDES.get(kind, kind)


def _evidence(
    guide: Mapping[str, Any], record: JsonObject, verdict: Mapping[str, Any] | None
) -> str:
    kind = guide.get("kind")
    if kind == "benchmark":
        return f"ranked by the recorded trainings of the benchmark {guide.get('name')}"

    parts = [f"ranked by the {_title(guide)} {guide.get('name')}"]
    recorded = str(record.get("evidence") or "").removeprefix("evidence: ")
    judged = _judged(record, verdict)
    if recorded:
        parts.append(recorded)
        parts += [judged] if judged else []
        return ", ".join(parts)

    # Predictors of older versions have recorded numbers alone.
    trained_on = record.get("architectures")
    if trained_on:
        parts[0] += f", trained on {trained_on:,} networks"
    parts.append(judged or _tested(record) or "how well it ranks was not recorded")

    return ", ".join(parts)


def _judged(record: JsonObject, verdict: Mapping[str, Any] | None) -> str | None:
    """Describe the rank correlation with true accuracies, first of this search's own networks."""
    verdicts = (
        (verdict, "on the networks of this search"),
        (record.get("verdict"), "on a benchmark"),
    )
    for judged, where in verdicts:
        figures = judged.get("figures", ()) if judged else ()
        for figure in figures:
            if figure["name"] == "kendall_tau" and figure.get("percent") is None:
                return f"rank correlation {figure['value']:.2f} {where}"
    return None


def _tested(record: JsonObject) -> str | None:
    """Describe the rank correlation on the evaluations that a predictor was not trained on."""
    test = record.get("test") or {}
    if test.get("kendall_tau") is None:
        return None
    return f"rank correlation {test['kendall_tau']:.2f} on {test['networks']:,} others"
