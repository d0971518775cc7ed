"""Write the front of a search as a picture or as a table."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Mapping
from typing import Any

from oneshot.search.guide import scored_metric
from tables.metrics import Metric, unit_of

INK = "#20303c"
ACCENT = "#d1495b"

# matplotlib's settings and fonts are shared by all threads.
_DRAWING_LOCK = threading.Lock()


def to_csv(result: Mapping[str, Any]) -> str:
    """Write one line per network, best first: place, score, deviation, costs and choices.

    Args:
        result: Result of a search, as `SearchResult.to_dict` returns it.
    """
    front = result["front"]
    costs = list(front[0]["costs"]) if front else []

    # All networks of a front have the same costs and choices.
    choices = list(front[0]["architecture"]["choices"]) if front else []
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["place", "score", "deviation", *costs, *choices])
    for index, network in enumerate(front):
        numbers = [network["costs"][name] for name in costs]
        candidates = [network["architecture"]["choices"][name] for name in choices]
        lines.writerow([index, network["score"], network["deviation"], *numbers, *candidates])

    return text.getvalue()


def to_picture(result: Mapping[str, Any], file_format: str) -> bytes:
    """Draw the scores of the front, with their deviations, over the first objective.

    Args:
        result: Result of a search, as `SearchResult.to_dict` returns it.
        file_format: `svg` or `png`.
    """
    with _DRAWING_LOCK:
        return _draw(result, file_format)


def _draw(result: Mapping[str, Any], file_format: str) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure

    front = result["front"]
    objective = result["objectives"][0]
    costs = [network["costs"][objective] for network in front]
    metric, _, device = objective.partition("@")
    scale = 1.0
    unit = unit_of(metric)

    # Ticks such as 1.5e7 are hard to read.
    if max(costs, default=0.0) >= 1e6:
        scale = 1e6
        unit = f"million {unit}"

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    sign, quality = _quality(result["guide"])
    axes.errorbar(
        [cost / scale for cost in costs],
        [sign * network["score"] for network in front],
        yerr=[network["deviation"] for network in front],
        fmt="o-",
        drawstyle="steps-post",
        color=ACCENT,
        ecolor="#d1495b66",
        markersize=4,
        linewidth=1.2,
        label=f"front ({len(front)})",
    )
    for constraint in result["constraints"]:
        if constraint["metric"] == metric and (not device or constraint["table"] == device):
            axes.axvline(
                constraint["maximum"] / scale, color=INK, linestyle="--", linewidth=1, label="limit"
            )

    axes.set_xlabel(f"{objective} ({unit})")
    axes.set_ylabel(quality)
    axes.set_title(f"{result['space']}: {result['evaluated']} candidates", color=INK)
    axes.legend(loc="lower right", framealpha=0.9)
    axes.grid(alpha=0.2)
    target = io.BytesIO()
    # Text is not converted to paths, and equal fronts give equal files.
    metadata = {"Date": None} if file_format == "svg" else {}
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pathfit"}):
        figure.savefig(target, format=file_format, dpi=130, metadata=metadata)

    return target.getvalue()


def _quality(guide: Mapping[str, Any]) -> tuple[float, str]:
    """Return the factor that makes scores values of their metric, and the label of the axis."""
    metric = scored_metric(guide)
    if metric is None:
        return 1.0, "score"
    definition = Metric.from_dict(metric)
    title = definition.title_of(str(metric["metric"]))
    better = "higher" if definition.higher_is_better else "lower"
    unit = f"{definition.unit}, " if definition.unit else ""
    return definition.sign, f"{title} ({unit}{better} is better)"
