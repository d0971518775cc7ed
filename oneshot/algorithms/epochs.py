"""The architecture of every epoch of a search, as JSON lines and for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spaces.files import JsonLines, write_text

FILE = "architectures.jsonl"
"""In a run's folder: one line an epoch."""

CURVES = "tensorboard/architecture"
"""In a run's folder: TensorBoard's files on the architecture."""


class EpochLog:
    """Writes the report of each epoch; what an earlier try wrote behind the present epoch is
    dropped.

    Args:
        folder: of the run.
        tensorboard: whether curves are written too.
    """

    def __init__(self, folder: Path, tensorboard: bool = False):
        self.path, self.tensorboard = folder / FILE, tensorboard
        self._begun = False
        self._writer: Any = None

    def write(self, done: int, epoch: int, report: dict[str, Any]) -> None:
        """Log a report.

        Args:
            done: updates that are done.
            epoch: from 1.
            report: for `json.dump`; see `ArchitectureAlgorithm.report`.
        """
        if not self._begun:
            self._drop(done)
        line = json.dumps({"update": done, "epoch": epoch, **report})
        JsonLines(self.path).append(line)
        if self.tensorboard:
            self._curves(done, report)
        self._begun = True

    def _drop(self, done: int) -> None:
        if self.path.exists():
            earlier = [line for line in read_epochs(self.path.parent) if line["update"] < done]
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in earlier))

    def _curves(self, done: int, report: dict[str, Any]) -> None:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # A folder of its own: what is purged here is not the training's own curves.
            self._writer = SummaryWriter(str(self.path.parent / CURVES), purge_step=done)
        for name in ("expected_cost", "predicted_cost", "multiplier"):
            if report.get(name) is not None:
                self._writer.add_scalar(f"architecture/{name}", report[name], done)
        for key, row in report["probabilities"].items():
            for candidate, value in row.items():
                self._writer.add_scalar(f"probability/{key}/{candidate}", value, done)
        text = "\n".join(f"- {key}: {name}" for key, name in report["architecture"].items())
        self._writer.add_text("architecture", text, done)
        self._writer.flush()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_writer": None}


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    """The reports of all epochs so far; none where there is no log."""
    return [json.loads(line) for _, line in JsonLines(folder / FILE).lines()]


class Follower:
    """Tells the reports that are new since it was asked last.

    Args:
        folder: of the run; another process may write there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._told = len(read_epochs(folder))

    def new_lines(self) -> list[str]:
        """A line for each new epoch: its architecture, costs, and how sure the probabilities
        are.
        """
        reports = read_epochs(self.folder)
        found = [in_words(report) for report in reports[min(self._told, len(reports)) :]]
        self._told = len(reports)
        return found


def in_words(report: dict[str, Any]) -> str:
    """One line on an epoch."""
    parts = [f"epoch {report['epoch']}: {' '.join(report['architecture'].values())}"]
    rows = [max(row.values()) for row in report["probabilities"].values()]
    parts.append(f"mean probability {sum(rows) / max(1, len(rows)):.3f}")
    for name, word in (("expected_cost", "expected"), ("predicted_cost", "predicted")):
        if report.get(name) is not None:
            parts.append(f"{word} {report[name]:.5g} {report['unit']}")
    return ", ".join(parts)
