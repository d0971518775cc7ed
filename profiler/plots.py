"""A table as a picture: estimates over measured networks, and the costs of candidates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive import AdditiveTable
from spaces.files import replacing
from spaces.registry import get
from tables.cost.corrected import drift_corrected_networks
from tables.cost.model import CostModel
from tables.lookup_table import LookupTable
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#20303c"
_ACCENT = "#1f77b4"
_MUTED = "#9aa5ad"

# Choices and candidates that the picture has room for.
_MOST_CELLS = 32

# Cells beyond which numbers would be too small to read.
_MOST_NUMBERS = 240

# Blocks that the picture has room for.
_MOST_BLOCKS = 25


def plot_table(table: LookupTable, path: str | Path) -> None:
    """Write a PNG of a table.

    It shows the predicted over the measured latency of the table's networks, and the costs of
    candidates, or of blocks where costs are not additive.

    Args:
        table: The table.
        path: The file to write.

    Raises:
        InvalidFile: The folder cannot be written to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    model = table.cost_model(get(table.space))

    # Without pyplot, which would keep the figure and may need a display.
    figure = Figure(figsize=(13, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    conditions = ", ".join(
        f"{key} {value}" for key, value in table.conditions.items() if key != "affinity"
    )
    figure.suptitle(f"{table.space} on {table.device['processor']}  ({conditions})", color=_INK)
    networks_axes, costs_axes = figure.subplots(1, 2, width_ratios=[1, 1.15])
    _plot_networks(networks_axes, table, model)
    if isinstance(model.table, AdditiveTable):
        _plot_candidates(costs_axes, model, model.table)
    else:
        _plot_blocks(costs_axes, table)

    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)


def _plot_networks(axes: Axes, table: LookupTable, model: CostModel) -> None:
    axes.set_xlabel("measured, drift and disturbances divided out (ms)")
    axes.set_ylabel("predicted (ms)")
    if not table.networks or model.block_sum is None:
        axes.set_title("no whole networks in this table")
        return

    codes, measured = drift_corrected_networks(table, model.space)
    predicted = model.estimate(codes)

    # Disturbed samples would squeeze the others into a corner.
    margin = 0.25 * float(np.ptp(predicted)) + (model.sigma or 0.0)
    low = float(predicted.min()) - margin
    high = float(predicted.max()) + margin
    shown = (measured >= low) & (measured <= high)

    line = np.array([low, high])
    axes.plot(line, line, color=_INK, linewidth=1)
    if model.sigma is not None:
        band = MARGIN * model.sigma
        label = f"{MARGIN:g} sigma"
        axes.fill_between(
            line, line - band, line + band, color=_MUTED, alpha=0.3, linewidth=0, label=label
        )

    label = f"{shown.sum()} samples of whole networks"
    axes.scatter(
        measured[shown], predicted[shown], s=12, color=_ACCENT, alpha=0.6, linewidths=0, label=label
    )
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    hidden = int((~shown).sum())
    beyond = f"\n({hidden} disturbed samples lie beyond the axes)" if hidden else ""
    axes.set_title(f"Whole networks of the build{beyond}")
    axes.legend(loc="upper left", frameon=False)


def _plot_candidates(axes: Axes, model: CostModel, table: AdditiveTable) -> None:
    choices = model.space.choices[:_MOST_CELLS]
    # Candidates in the order in which choices have them; not every choice has all.
    distinct = dict.fromkeys(name for choice in choices for name in choice.candidates)
    names = list(distinct)[:_MOST_CELLS]
    costs = np.full((len(choices), len(names)), np.nan)
    for row, (choice, term) in enumerate(zip(choices, table.terms, strict=False)):
        for name, cost in zip(choice.candidates, term.tolist(), strict=True):
            if name in names:
                costs[row, names.index(name)] = cost

    image = axes.imshow(costs, aspect="auto", cmap="YlGnBu")
    _annotate(axes, costs)

    # Long names would overlap if they were horizontal.
    rotation = 45 if max(map(len, names)) > 6 else 0
    axes.set_xticks(range(len(names)), names, rotation=rotation, ha="center")
    axes.set_yticks(range(len(choices)), [choice.key for choice in choices])
    axes.set_title("Cost of each candidate (ms), correction included")
    axes.figure.colorbar(image, ax=axes, shrink=0.8)


def _annotate(axes: Axes, costs: NDArray[Any]) -> None:
    if costs.size > _MOST_NUMBERS:
        return

    middle = (np.nanmax(costs) + np.nanmin(costs)) / 2
    for (row, column), cost in np.ndenumerate(costs):
        if np.isnan(cost):
            continue

        # Adding 0.0 turns -0.0 into 0.0.
        text = f"{round(cost, 2) + 0.0:.2f}"
        shade = "white" if cost > middle else _INK
        axes.text(column, row, text, ha="center", va="center", color=shade, fontsize=8)


def _plot_blocks(axes: Axes, table: LookupTable) -> None:
    ordered = sorted(table.blocks.items(), key=lambda item: -item[1].latency_ms)
    rows = ordered[:_MOST_BLOCKS]
    positions = range(len(rows))
    latencies = [cost.latency_ms for _, cost in rows]
    spread = [(cost.latency_iqr_ms or 0.0) / 2 for _, cost in rows]
    axes.barh(positions, latencies, xerr=spread, color=_ACCENT, ecolor=_INK)
    axes.set_yticks(positions, [key for key, _ in rows], fontsize=7)

    # matplotlib counts rows from below.
    axes.invert_yaxis()
    axes.set_xlabel("ms, bars of the inter-quartile range")
    axes.set_title(f"The {len(rows)} costliest of {len(table.blocks)} blocks")
