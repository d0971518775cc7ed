"""The front of a search as a picture and as a table."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Mapping
from typing import Any

from tables.metrics import unit_of

INK, ACCENT = "#20303c", "#d1495b"

_ONE = threading.Lock()  # matplotlib's settings and fonts are the whole process's


def to_csv(result: Mapping[str, Any]) -> str:
    """A line for each network of the front, best first: place, score, deviation, costs, then its
    choices.

    Args:
        result: a search's, as `SearchResult.to_dict` gives it.
    """
    front = result["front"]
    costs = list(front[0]["costs"]) if front else []
    choices = list(front[0]["architecture"]["choices"]) if front else []
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["place", "score", "deviation", *costs, *choices])
    for place, found in enumerate(front):
        numbers = [found["score"], found["deviation"], *(found["costs"][name] for name in costs)]
        lines.writerow(
            [place, *numbers, *(found["architecture"]["choices"][name] for name in choices)]
        )
    return text.getvalue()


def to_picture(result: Mapping[str, Any], ending: str) -> bytes:
    """The scores of the front with their deviations over the first objective.

    Args:
        result: a search's, as `SearchResult.to_dict` gives it.
        ending: svg or png.
    """
    with _ONE:
        return _drawn(result, ending)


def _drawn(result: Mapping[str, Any], ending: str) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure

    front, objective = result["front"], result["objectives"][0]
    costs = [found["costs"][objective] for found in front]
    metric, _, device = objective.partition("@")
    million = max(costs, default=0.0) >= 1e6
    scale, unit = (1e6, f"million {unit_of(metric)}") if million else (1.0, unit_of(metric))
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(
        [cost / scale for cost in costs],
        [found["score"] for found in front],
        yerr=[found["deviation"] for found in front],
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
    axes.set_ylabel("score")
    axes.set_title(f"{result['space']}: {result['evaluated']} candidates", color=INK)
    axes.legend(loc="lower right", framealpha=0.9)
    axes.grid(alpha=0.2)
    target = io.BytesIO()
    # Text stays text, and the same front gives the same file.
    metadata = {"Date": None} if ending == "svg" else {}
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pathfit"}):
        figure.savefig(target, format=ending, dpi=130, metadata=metadata)
    return target.getvalue()
