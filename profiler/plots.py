"""A table as a picture: how well it explains its networks, and what each candidate of each layer
costs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive import AdditiveTable
from spaces.files import replacing
from spaces.registry import get
from tables.cost.fitting import drift_corrected_networks
from tables.cost.model import CostModel
from tables.lookup_table import LookupTable
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _ACCENT, _MUTED = "#20303c", "#1f77b4", "#9aa5ad"
_MOST_CELLS = 32


def plot_table(table: LookupTable, path: str | Path) -> None:
    """Write a PNG: predicted over measured latency of the table's networks, and cost by layer and
    candidate.

    Raises:
        InvalidFile: the folder cannot be written to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    model = table.cost_model(get(table.space))
    figure = Figure(figsize=(13, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    conditions = ", ".join(
        f"{key} {value}" for key, value in table.conditions.items() if key != "affinity"
    )
    figure.suptitle(f"{table.space} on {table.device['processor']}  ({conditions})", color=_INK)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
    _networks(left, table, model)
    if isinstance(model.table, AdditiveTable):
        _candidates(right, model, model.table)
    else:
        _blocks(right, table)
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=130)


def _networks(axes: Axes, table: LookupTable, model: CostModel) -> None:
    axes.set_xlabel("measured, drift and disturbances divided out (ms)")
    axes.set_ylabel("predicted (ms)")
    if not table.networks or model.block_sum is None:
        axes.set_title("no whole networks in this table")
        return
    codes, measured = drift_corrected_networks(table, model.space, model.block_sum)
    predicted = model.estimate(codes)
    # Disturbed samples would squeeze the others into a corner.
    margin = 0.25 * float(np.ptp(predicted)) + (model.sigma or 0.0)
    low, high = float(predicted.min()) - margin, float(predicted.max()) + margin
    shown = (measured >= low) & (measured <= high)
    line = np.array([low, high])
    axes.plot(line, line, color=_INK, linewidth=1)
    if model.sigma is not None:
        band = MARGIN * model.sigma
        axes.fill_between(
            line,
            line - band,
            line + band,
            color=_MUTED,
            alpha=0.3,
            linewidth=0,
            label=f"{MARGIN:g} sigma",
        )
    label = f"{shown.sum()} samples of whole networks"
    axes.scatter(
        measured[shown], predicted[shown], s=12, color=_ACCENT, alpha=0.6, linewidths=0, label=label
    )
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    beyond = f"\n({(~shown).sum()} disturbed samples lie beyond the axes)" if (~shown).any() else ""
    axes.set_title(f"Whole networks of the build{beyond}")
    axes.legend(loc="upper left", frameon=False)


def _candidates(axes: Axes, model: CostModel, table: AdditiveTable) -> None:
    choices = model.space.choices[:_MOST_CELLS]
    names = list(dict.fromkeys(name for choice in choices for name in choice.candidates))[
        :_MOST_CELLS
    ]
    costs = np.full((len(choices), len(names)), np.nan)
    for row, (choice, term) in enumerate(zip(choices, table.terms, strict=False)):
        for name, cost in zip(choice.candidates, term.tolist(), strict=True):
            if name in names:
                costs[row, names.index(name)] = cost
    image = axes.imshow(costs, aspect="auto", cmap="YlGnBu")
    _annotate(axes, costs)
    axes.set_xticks(
        range(len(names)), names, rotation=45 if max(map(len, names)) > 6 else 0, ha="center"
    )
    axes.set_yticks(range(len(choices)), [choice.key for choice in choices])
    axes.set_title("What a candidate adds (ms), correction included")
    axes.figure.colorbar(image, ax=axes, shrink=0.8)


def _annotate(axes: Axes, costs: NDArray[Any]) -> None:
    if costs.size > 240:
        return
    middle = (np.nanmax(costs) + np.nanmin(costs)) / 2
    for (row, column), cost in np.ndenumerate(costs):
        if not np.isnan(cost):
            shade = "white" if cost > middle else _INK
            axes.text(
                column,
                row,
                f"{round(cost, 2) + 0.0:.2f}",
                ha="center",
                va="center",
                color=shade,
                fontsize=8,
            )


def _blocks(axes: Axes, table: LookupTable) -> None:
    rows = sorted(table.blocks.items(), key=lambda item: -item[1].latency_ms)[:25]
    places = range(len(rows))
    spread = [(cost.latency_iqr_ms or 0.0) / 2 for _, cost in rows]
    axes.barh(
        places, [cost.latency_ms for _, cost in rows], xerr=spread, color=_ACCENT, ecolor=_INK
    )
    axes.set_yticks(places, [key for key, _ in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("ms, bars of the inter-quartile range")
    axes.set_title(f"The {len(rows)} costliest of {len(table.blocks)} blocks")
