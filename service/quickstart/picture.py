"""The quickstart's picture: predicted quality over latency, with the networks it delivered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from service.quickstart.summary import NetworkFigures
from spaces.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from oneshot.search.result import SearchResult

_INK = "#20303c"
_ACCENT = "#d1495b"
_MUTED = "#9aa5ad"
_COLOURS = {"found": _ACCENT, "random": "#2f6f9f"}
_MARKERS = {"found": "*", "random": "X"}

# Height of a picture whose points all have the same value, in the unit of the metric.
_SMALLEST_SPAN = 0.01


def draw_front(result: SearchResult, networks: Mapping[str, NetworkFigures], path: Path) -> None:
    """Write the front of the quickstart's search as an SVG.

    Shows every candidate by its estimated latency (ms) and the predicted value of the guide's
    metric, the front of both, the limit, and for the found and the random network the latency that
    was measured at the table's clock, joined to the estimate by a line.

    Args:
        result: Result of the quickstart's search.
        networks: Network, found or random, -> its figures.
        path: File to write; its folder exists.

    Raises:
        InvalidFile: The file cannot be written.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    found = networks["found"]
    values = found.definition.sign * result.scores
    _draw_candidates(axes, result, values)
    _draw_networks(axes, networks)
    _limit_values(axes, values, networks)

    better = "higher" if found.definition.higher_is_better else "lower"
    axes.set_xlabel("latency (ms)")
    axes.set_ylabel(
        f"predicted {found.title(found.metric)} ({found.definition.unit}, {better} is better)"
    )
    axes.legend(loc="upper right", framealpha=0.9, fontsize=9)
    axes.grid(alpha=0.2)

    # A fixed salt gives the SVG's parts the same names in every run, and no date is written.
    with replacing(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "pathfit"}):
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _draw_candidates(axes: Axes, result: SearchResult, values: NDArray[np.float64]) -> None:
    latencies = result.costs["latency_ms"]
    axes.scatter(
        latencies,
        values,
        s=9,
        color=_MUTED,
        alpha=0.5,
        linewidths=0,
        label=f"{len(result)} candidates of the search",
        # A thousand circles would make a heavy file.
        rasterized=True,
    )

    front = result.front()
    axes.step(latencies[front], values[front], where="post", color=_INK, lw=1.2, label="front")
    limit = result.constraints[0]["maximum"]
    axes.axvline(limit, color=_INK, ls="--", lw=1, label=f"limit {limit:.3g} ms")


def _draw_networks(axes: Axes, networks: Mapping[str, NetworkFigures]) -> None:
    for name, network in networks.items():
        quality = network.predicted
        measured = network.normalised_ms
        tests = [
            f"{network.text(metric, network.test[metric])} test {network.title(metric)}"
            for metric in network.tested
        ]
        axes.plot([network.predicted_ms, measured], [quality, quality], color=_COLOURS[name], lw=1)
        axes.plot(
            measured,
            quality,
            _MARKERS[name],
            ms=15 if name == "found" else 9,
            color=_COLOURS[name],
            mec="white",
            label=", ".join([f"{name}: {measured:.2f} ms measured", *tests]),
        )


def _limit_values(
    axes: Axes, values: NDArray[np.float64], networks: Mapping[str, NetworkFigures]
) -> None:
    """Show all networks and nearly all candidates, with space for the legend above them."""
    delivered = [network.predicted for network in networks.values()]
    # A few bad candidates would squeeze the others into a line.
    rising = next(iter(networks.values())).definition.higher_is_better
    least, greatest = (0.03, 1.0) if rising else (0.0, 0.97)
    low = min(float(np.quantile(values, least)), *delivered)
    high = max(float(np.quantile(values, greatest)), *delivered)
    # One candidate alone, or several with the same score, have no span of their own.
    span = max(high - low, _SMALLEST_SPAN)
    axes.set_ylim(low - 0.08 * span, high + 0.25 * span)
