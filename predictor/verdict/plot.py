"""The plot of a verdict: scores against true values."""

from __future__ import annotations

from pathlib import Path

from predictor.verdict.scores import JudgedScores
from predictor.verdict.verdict import Verdict
from spaces.files import replacing


def verdict_plot(path: Path, judged: JudgedScores, verdict: Verdict) -> None:
    """Plot true values over scores.

    Args:
        path: File to write; its suffix decides the format.
        judged: The scores and true values.
        verdict: The verdict on them, whose Kendall's tau is in the title.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    # Thousands of points are paths of megabytes in vector formats.
    axes.scatter(judged.scores, judged.truth, s=4, alpha=0.4, linewidths=0, rasterized=True)
    tau = verdict.figure("kendall_tau")
    axes.set(
        xlabel=judged.labels[0],
        ylabel=judged.labels[1],
        title=f"Kendall's tau {tau.value:.3f}, {verdict.num_networks} networks",
    )
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or "png")
