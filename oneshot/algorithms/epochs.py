"""Log of the architecture of every epoch of a search, as JSON lines and for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spaces.files import JsonLines, write_text

FILE = "architectures.jsonl"
"""File in a run's folder with one line per epoch."""

CURVES = "tensorboard/architecture"
"""Folder in a run's folder with TensorBoard's files on the architecture."""


class EpochLog:
    """Writes the report of each epoch.

    A resumed training replaces the reports that were written after its checkpoint.

    Args:
        folder: Folder of the run.
        tensorboard: Whether curves for TensorBoard are written as well.
    """

    def __init__(self, folder: Path, tensorboard: bool = False):
        self.path = folder / FILE
        self.tensorboard = tensorboard
        self._begun = False
        self._writer: Any = None

    def write(self, done: int, epoch: int, report: dict[str, Any]) -> None:
        """Log a report.

        Args:
            done: Number of updates that are done.
            epoch: Number of the epoch, from 1.
            report: Report of `ArchitectureAlgorithm.report`, which JSON can represent.
        """
        # At the first report: only now is it known where the training was resumed.
        if not self._begun:
            self._drop(done)

        line = json.dumps({"update": done, "epoch": epoch, **report})
        JsonLines(self.path).append(line)
        if self.tensorboard:
            self._curves(done, report)
        self._begun = True

    def _drop(self, done: int) -> None:
        """Remove the lines of update `done` and later ones, which an interrupted training wrote."""
        if self.path.exists():
            earlier = [line for line in read_epochs(self.path.parent) if line["update"] < done]
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in earlier))

    def _curves(self, done: int, report: dict[str, Any]) -> None:
        """Write a report's costs, probabilities and architecture for TensorBoard."""
        if self._writer is None:
            # TensorBoard is optional, and slow to import.
            from torch.utils.tensorboard import SummaryWriter

            # In a separate folder, so that the purge leaves the training's curves alone.
            self._writer = SummaryWriter(str(self.path.parent / CURVES), purge_step=done)

        for name in ("expected_cost", "predicted_cost", "multiplier", "hessian_eigenvalue"):
            if report.get(name) is not None:
                self._writer.add_scalar(f"architecture/{name}", report[name], done)
        for key, row in report["probabilities"].items():
            for candidate, value in row.items():
                self._writer.add_scalar(f"probability/{key}/{candidate}", value, done)

        # TensorBoard renders the text as Markdown.
        text = "\n".join(f"- {key}: {name}" for key, name in report["architecture"].items())
        self._writer.add_text("architecture", text, done)
        self._writer.flush()

    def __getstate__(self) -> dict[str, Any]:
        # A writer has a thread, which cannot be pickled.
        return {**self.__dict__, "_writer": None}


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    """Return the reports of all epochs so far; an empty list if there is no log."""
    return [json.loads(line) for _, line in JsonLines(folder / FILE).lines()]


class Follower:
    """Reads the reports that are new since its last call.

    Args:
        folder: Folder of the run; another process may write there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._told = len(read_epochs(folder))

    def new_lines(self) -> list[str]:
        """Return a line for each new epoch, with its architecture, probability and costs."""
        reports = read_epochs(self.folder)
        # The log shrinks when a resumed training drops lines.
        lines = [in_words(report) for report in reports[min(self._told, len(reports)) :]]
        self._told = len(reports)
        return lines


def in_words(report: dict[str, Any]) -> str:
    """Return a report as one line of text."""
    fields = [f"epoch {report['epoch']}: {' '.join(report['architecture'].values())}"]

    # The mean over the choices of the most probable candidate's probability: 1 is decided.
    greatest = [max(row.values()) for row in report["probabilities"].values()]
    fields.append(f"mean probability {sum(greatest) / max(1, len(greatest)):.3f}")

    for name, word in (("expected_cost", "expected"), ("predicted_cost", "predicted")):
        if report.get(name) is not None:
            fields.append(f"{word} {report[name]:.5g} {report['unit']}")
    if "hessian_eigenvalue" in report:
        fields.append(f"largest eigenvalue {report['hessian_eigenvalue']:.4g}")
    return ", ".join(fields)
