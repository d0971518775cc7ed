"""A picture of predictors on a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from predictor.bench.published import PUBLISHED
from spaces.files import replacing


def tau_plot(path: Path, rows: Sequence[Mapping[str, Any]], benchmark: str) -> None:
    """Draw Kendall's tau over training architectures, beside what is published; the suffix says the
    format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    counts: set[int] = set()
    for row in rows:
        cells = row["kendall_tau"]
        counts |= set(cells)
        means, spread = (
            [cell["mean"] for cell in cells.values()],
            [cell["deviation"] for cell in cells.values()],
        )
        axes.errorbar(
            list(cells), means, spread, marker="o", label=f"{row['predictor']} ({row['split']})"
        )
    for who, taus in PUBLISHED.get(benchmark, {}).items():
        shared = sorted(counts & set(taus))
        if shared:
            axes.plot(
                shared,
                [taus[count] for count in shared],
                "--",
                marker=".",
                label=f"{who} (published)",
            )
    axes.set(
        xscale="log", xlabel="architectures trained on", ylabel="Kendall's tau", title=benchmark
    )
    axes.set_xticks(sorted(counts), [f"{count:,}" for count in sorted(counts)])
    axes.minorticks_off()
    axes.legend(fontsize="small")
    with replacing(path) as beside:
        figure.savefig(beside, format=path.suffix.removeprefix(".") or "png")
