"""The plot of a comparison of predictors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from predictor.bench.published import PUBLISHED
from spaces.errors import InvalidParameter
from spaces.files import replacing


def check_plot(path: Path) -> None:
    """Raise InvalidParameter unless the suffix of a plot's path names a format of pictures."""
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if _format_of(path).lower() not in formats:
        raise InvalidParameter(f"--plot {path}: choose a name that ends in {', '.join(formats)}")


def tau_plot(path: Path, rows: Sequence[Mapping[str, Any]], benchmark: str) -> None:
    """Plot Kendall's tau over the number of training architectures, with published figures.

    Args:
        path: File to write; its suffix decides the format.
        rows: Rows of `Comparison.rows`.
        benchmark: Name of the benchmark.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    counts: set[int] = set()
    for row in rows:
        cells = row["kendall_tau"]
        counts |= set(cells)
        means = [cell["mean"] for cell in cells.values()]
        deviations = [cell["deviation"] for cell in cells.values()]
        label = f"{row['predictor']} ({row['split']})"
        axes.errorbar(list(cells), means, deviations, marker="o", label=label)

    for predictor, taus in PUBLISHED.get(benchmark, {}).items():
        # Published figures of other training sizes would stretch the axis.
        shared = sorted(counts & set(taus))
        if shared:
            axes.plot(
                shared,
                [taus[count] for count in shared],
                "--",
                marker=".",
                label=f"{predictor} (published)",
            )

    axes.set(
        xscale="log", xlabel="architectures trained on", ylabel="Kendall's tau", title=benchmark
    )
    axes.set_xticks(sorted(counts), [f"{count:,}" for count in sorted(counts)])

    # Minor ticks of a logarithmic axis would be labelled between the counts.
    axes.minorticks_off()
    axes.legend(fontsize="small")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=_format_of(path))


def _format_of(path: Path) -> str:
    return path.suffix.removeprefix(".") or "png"
