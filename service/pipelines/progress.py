"""Progress of a pipeline: its stages as steps, and how far the present one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from oneshot.pipeline.records import DONE, STATE, Records, StageRecord
from service.jobs import JsonObject
from service.kinds.base import Progress, Reports
from service.kinds.command import CommandProgress


@dataclass(frozen=True)
class Step:
    """A stage of a running pipeline.

    Args:
        name: Name of the stage.
        state: `waiting`, `running` or `done`.
        seconds: Duration over all attempts; 0 before its end.
        result: Result in one line; empty before its end.
    """

    name: str
    state: str
    seconds: float = 0.0
    result: str = ""


@dataclass(frozen=True)
class PipelineProgress:
    """Progress of a pipeline.

    Args:
        steps: The stages, in order.
        fraction: Fraction of the present stage that is done, from 0 to 1.
        state: Further text of the present stage, such as the step and the loss.

    Example:
        >>> steps = (Step("train", "done", 12.5, "supernet"), Step("search", "running"))
        >>> PipelineProgress(steps, 0.5, "generation 3/6").to_dict()["share"]
        0.75
    """

    steps: tuple[Step, ...]
    fraction: float = 0.0
    state: str = ""

    def to_dict(self) -> JsonObject:
        """Return the JSON object that the API answers."""
        num_done = sum(step.state == "done" for step in self.steps)
        running = next((step.name for step in self.steps if step.state == "running"), "")
        fraction = self.fraction if running else 0.0
        return {
            "share": round((num_done + fraction) / len(self.steps), 4),
            "stage": running,
            "state": self.state if running else "",
            "steps": [asdict(step) for step in self.steps],
        }


class StepReports:
    """Receives the progress of the present stage, and reports that of the pipeline.

    Args:
        reports: Receives the progress of the pipeline.
        folder: Folder of the run, which has its record.
        stages: Names of the stages, in order.
    """

    def __init__(self, reports: Reports, folder: Path, stages: Sequence[str]):
        self._reports = reports
        self._folder = folder
        self._stages = stages
        self._steps: tuple[Step, ...] = ()
        self._version: tuple[int, int] | None = None
        self._fraction = 0.0
        self._outdated: Progress | None = None
        self._latest: Progress | None = None
        self._reported: PipelineProgress | None = None

    def cancelled(self) -> bool:
        """Return whether the attempt is to end."""
        return self._reports.cancelled()

    def progress(self, progress: Progress) -> None:
        """Take the progress of the present stage."""
        self._latest = progress
        self._report()

    def follow(self) -> None:
        """Read the record of the run again if it has changed."""
        try:
            status = (self._folder / STATE).stat()
        except FileNotFoundError:
            return
        version = (status.st_mtime_ns, status.st_ino)
        if version != self._version:
            self._version = version
            self._steps = steps_of(Records(self._folder).stages, self._stages)
            # That of the stage before, which the program repeats until the next one reports.
            self._outdated = self._latest
            self._fraction = 0.0
            self._report()

    def _report(self) -> None:
        if not self._steps:
            return
        now = PipelineProgress(self._steps)
        if isinstance(self._latest, CommandProgress) and self._latest != self._outdated:
            # A command may count several times from 0 to 1, while a pipeline goes on only.
            self._fraction = max(self._fraction, self._latest.fraction)
            now = PipelineProgress(self._steps, self._fraction, self._latest.state)
        # The latest progress comes again and again, while each report is stored.
        if now != self._reported:
            self._reported = now
            self._reports.progress(now)


def steps_of(records: Mapping[str, StageRecord], stages: Sequence[str]) -> tuple[Step, ...]:
    """Return the steps of a run.

    Args:
        records: Stage -> its record, for the stages that have begun.
        stages: Names of the stages, in order.
    """
    steps = []
    for name in stages:
        record = records.get(name)
        if record is None:
            steps.append(Step(name, "waiting"))
        elif record.status == DONE:
            steps.append(Step(name, "done", round(record.seconds, 3), record.result))
        else:
            steps.append(Step(name, "running"))
    return tuple(steps)
