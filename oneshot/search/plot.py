"""A plot of a search: costs and scores of the candidates, and the best score over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oneshot.errors import InvalidOption
from oneshot.search.result import SearchResult
from spaces.files import replacing
from tables.metrics import unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#20303c"
_ACCENT = "#d1495b"
_MUTED = "#9aa5ad"
# Candidates above which only a sample is plotted: more take seconds and hide each other.
_MAX_POINTS = 20_000


def check_plot(path: Path) -> None:
    """Raise InvalidOption unless a plot's path ends in .png."""
    if path.suffix.lower() != ".png":
        raise InvalidOption(f"--plot {path}: plots are PNG files; choose a name that ends in .png")


def plot_search(result: SearchResult, path: str | Path) -> None:
    """Write a PNG with the score over each objective, and the best score after every evaluation.

    Args:
        result: Search to plot.
        path: File to write.

    Raises:
        InvalidFile: The folder cannot be written to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not pyplot: its figures are global, and a service plots in several threads.
    count = len(result.objectives) + 1
    figure = Figure(figsize=(6 * count, 5), layout="constrained")
    FigureCanvasAgg(figure)
    name = result.guide.get("name", "")
    figure.suptitle(
        f"{result.space}: {result.strategy.get('name')} guided by {result.guide.get('kind')}"
        f" {Path(str(name)).name}",
        color=_INK,
    )

    *fronts, best = figure.subplots(1, count, squeeze=False)[0]
    for axes, objective in zip(fronts, result.objectives, strict=True):
        _front(axes, result, objective)
    _best_so_far(best, result)

    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)


def _front(axes: Axes, result: SearchResult, objective: str) -> None:
    costs, scale, unit = _scaled(result, objective)
    rows = np.arange(len(result))
    if len(rows) > _MAX_POINTS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:_MAX_POINTS])

    points = axes.scatter(
        costs[rows],
        result.scores[rows],
        c=result.order[rows],
        s=10,
        cmap="viridis",
        alpha=0.6,
        linewidths=0,
    )
    if len(result) > 1 and axes.figure is not None:
        axes.figure.colorbar(points, ax=axes, label="evaluation", pad=0.01)

    front = result.front()

    # With several objectives neighbours on one axis are no neighbours on the front.
    if len(result.objectives) == 1:
        axes.step(costs[front], result.scores[front], where="post", color=_ACCENT, lw=1.2)
    axes.plot(
        costs[front], result.scores[front], "o", ms=4, color=_ACCENT, label=f"front ({len(front)})"
    )

    for constraint in result.constraints:
        if objective in (constraint["metric"], f"{constraint['metric']}@{constraint['table']}"):
            axes.axvline(constraint["maximum"] / scale, color=_INK, ls="--", lw=1, label="limit")

    _limit_scores(axes, result, min(result.scores[front]))
    axes.set_xlabel(f"{objective} ({unit})")
    axes.set_ylabel("score")
    axes.set_title(f"{len(result)} candidates", color=_INK)
    axes.legend(loc="lower right", framealpha=0.9)
    axes.grid(alpha=0.2)


def _best_so_far(axes: Axes, result: SearchResult) -> None:
    scores = np.empty(len(result))
    scores[result.order] = result.scores
    best = result.best_so_far()
    axes.plot(np.arange(1, len(scores) + 1), scores, ".", ms=3, color=_MUTED, label="evaluated")
    axes.step(np.arange(1, len(best) + 1), best, where="post", color=_ACCENT, label="best so far")

    _limit_scores(axes, result, best[0])
    axes.set_xlabel("evaluations")
    axes.set_ylabel("score")
    axes.set_title(f"best {best[-1]:.5g}", color=_INK)
    axes.legend(loc="lower right", framealpha=0.9)
    axes.grid(alpha=0.2)


def _limit_scores(axes: Axes, result: SearchResult, least: float) -> None:
    """Limit the axis of scores: a few bad candidates would squeeze the others into a line."""
    low = min(float(np.quantile(result.scores, 0.05)), least)
    high = float(result.scores[0])
    if high > low:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _scaled(result: SearchResult, objective: str) -> tuple[np.ndarray, float, str]:
    """Return the costs [n], in millions where they are large, the divisor and the unit's name."""
    costs = result.costs[objective]
    unit = unit_of(objective.partition("@")[0])
    if float(costs.max(initial=0.0)) >= 1e6:
        return costs / 1e6, 1e6, f"million {unit}"
    return costs, 1.0, unit
