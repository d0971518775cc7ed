"""Training curves of runs: read from TensorBoard's files and the log of architectures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneshot.errors import InvalidRun
from oneshot.training.reports import FOLDER
from spaces.files import JsonLines, replacing

_ARCHITECTURES = "architectures.jsonl"
# Curves of the machine rather than of the training.
_LEFT_OUT = ("train/images_per_second",)
_COSTS = ("expected_cost", "predicted_cost", "hessian_eigenvalue")
_COLUMNS = 3


@dataclass(frozen=True)
class Curve:
    """Values over updates.

    Args:
        updates: Numbers of the updates.
        values: Value after each.
    """

    updates: tuple[int, ...]
    values: tuple[float, ...]


def read_curves(folder: str | Path) -> dict[str, Curve]:
    """Read the curves of a run: name -> curve.

    They are loss, metrics and learning rate of a training with TensorBoard's files, and for a
    search of an architecture the mean probability of the most probable candidates, the costs and
    the largest eigenvalue.

    Args:
        folder: Folder of a run.

    Raises:
        InvalidRun: The folder has no curves.
    """
    folder = Path(folder)
    curves = {**_scalars(folder / FOLDER), **_architectures(folder / _ARCHITECTURES)}
    if not curves:
        raise InvalidRun(
            f"{folder} has no curves; a training writes them with --tensorboard, its default"
        )
    return curves


def _scalars(folder: Path) -> dict[str, Curve]:
    """Read TensorBoard's scalars of the training, but not those in its folders."""
    if not folder.is_dir():
        return {}

    # Slow to import.
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,
    )

    # 0: all points rather than a sample.
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    curves = {}
    for tag in events.Tags()["scalars"]:
        if tag not in _LEFT_OUT:
            points = events.Scalars(tag)
            curves[tag.removeprefix("train/")] = Curve(
                tuple(point.step for point in points), tuple(point.value for point in points)
            )
    return curves


def _architectures(path: Path) -> dict[str, Curve]:
    """Read the curves of a search's log."""
    reports = [json.loads(line) for _, line in JsonLines(path).lines()]
    if not reports:
        return {}

    greatest = {
        report["update"]: [max(row.values()) for row in report["probabilities"].values()]
        for report in reports
    }
    curves = {
        "mean probability": Curve(
            tuple(greatest), tuple(sum(row) / max(1, len(row)) for row in greatest.values())
        )
    }
    for name in _COSTS:
        points = {
            report["update"]: report[name] for report in reports if report.get(name) is not None
        }
        if points:
            curves[name.replace("_", " ")] = Curve(tuple(points), tuple(points.values()))
    return curves


def plot_curves(runs: Mapping[str, Mapping[str, Curve]], path: str | Path) -> None:
    """Write a PNG with a panel for each curve and a line for each run.

    Args:
        runs: Name of a run -> its curves.
        path: File to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # In the order of the first run, whose training may lack curves that others have.
    names = list(dict.fromkeys(name for curves in runs.values() for name in curves))
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)

    # Not pyplot: its figures are global.
    figure = Figure(figsize=(5 * columns, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()

    for axes, name in zip(panels, names, strict=False):
        for run, curves in runs.items():
            if name in curves:
                curve = curves[name]
                # A marker, so that a single report is seen.
                marker = "o" if len(curve.updates) < 20 else None
                axes.plot(curve.updates, curve.values, lw=1.3, marker=marker, ms=3, label=run)
        axes.set_title(name.replace("_", " "))
        axes.set_xlabel("update")
        axes.grid(alpha=0.2)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    if len(runs) > 1:
        panels[0].legend(fontsize=8)

    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def labels(folders: Sequence[Path]) -> list[str]:
    """Return names of runs: the last parts of their paths by which they differ.

    Args:
        folders: Folders of the runs.

    Example:
        >>> labels([Path("runs/darts/0"), Path("runs/gdas/0")])
        ['darts/0', 'gdas/0']
    """
    for count in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-count:]) for folder in folders]
        if len({*names}) == len(names):
            return names
    return [str(folder) for folder in folders]
