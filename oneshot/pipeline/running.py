"""Running the stages of a pipeline, and resuming where an earlier run stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeAlias

from oneshot.pipeline.faults import Fault, InvalidPipeline, StageFailed
from oneshot.pipeline.kinds import STAGES
from oneshot.pipeline.pipeline import Pipeline, Stage
from oneshot.pipeline.processes import StageStopped, run_command
from oneshot.pipeline.records import DONE, Records, StageRecord, locked, remove_outputs
from oneshot.pipeline.results import result_line
from spaces.errors import near_miss

Execute: TypeAlias = Callable[[Sequence[str], int], int]
"""Runs `python -m ARGUMENTS` with the descriptor of the run's lock; returns the exit code."""


@dataclass(frozen=True)
class StageReport:
    """A stage that is done.

    Args:
        name: Name of the stage.
        seconds: Duration over all attempts.
        result: Result in one line.
        was_done: Whether an earlier run had done it.
    """

    name: str
    seconds: float
    result: str
    was_done: bool


class Listener(Protocol):
    """Receives the events of a run, for people to read."""

    def changed(self, changed: Sequence[str], repeated: Sequence[str]) -> None:
        """Report the stages that have changed since the last run, and all that run again."""

    def begins(self, stage: Stage, position: int, count: int, resumes: bool) -> None:
        """Report a stage that begins, the first one at position 1."""

    def skipped(self, stage: Stage, position: int, count: int) -> None:
        """Report a stage that an earlier run had done."""


def run_pipeline(
    pipeline: Pipeline,
    listener: Listener,
    only: Collection[str] = (),
    execute: Execute = run_command,
) -> list[StageReport]:
    """Run the stages of a pipeline that are not done.

    A stage is done where its command, the content of its inputs and its outputs are those of its
    record. A stage that has changed runs again, and so does each stage that reads its files. An
    interrupted stage resumes.

    Args:
        pipeline: The pipeline.
        listener: Receives the events.
        only: Names of the stages to run; empty for all.
        execute: Runs a command and returns its exit code; by default in a process of its own.

    Returns:
        A report for each stage, in order.

    Raises:
        InvalidPipeline: A name in `only` is no stage of the pipeline, or an earlier stage whose
            files it needs is not done; or no network meets a limit by the measured table.
        FolderInUse: Another run works in the folder.
        StageFailed: A command ended with an error; the stages before it stay done.
        StageStopped: Ctrl-C or SIGTERM ended a stage.
    """
    stages = _select(pipeline, only)
    # Checked before the folder is made, and again with the lock, since another run may have ended.
    _check_needs(pipeline, stages, Records(pipeline.folder))
    with locked(pipeline.folder) as lock:
        records = Records(pipeline.folder)
        _check_needs(pipeline, stages, records)
        _report_changes(pipeline, stages, records, listener)
        reports = []
        for position, stage in enumerate(stages, start=1):
            if position > 1 and stages[position - 2].name == "profile":
                # Checked as soon as the table exists, rather than after hours of training.
                _check_limits(pipeline, stages)
            run = partial(execute, stage.arguments, lock)
            reports.append(_run_stage(stage, records, listener, (position, len(stages)), run))

        return reports


def _select(pipeline: Pipeline, only: Collection[str]) -> list[Stage]:
    names = [stage.name for stage in pipeline.stages]
    for name in only:
        if name not in names:
            reason = "replaced by a path" if name in pipeline.replaced else "no stage of this file"
            message = f"{reason}; its stages are {', '.join(names)}{near_miss(name, names)}"
            raise InvalidPipeline(pipeline.path, [Fault(f"--only {name}", message)])

    return [stage for stage in pipeline.stages if not only or stage.name in only]


def _check_needs(pipeline: Pipeline, stages: Sequence[Stage], records: Records) -> None:
    """Raise InvalidPipeline where a stage needs files of one that is not done and will not run."""
    available = {stage.name for stage in stages} | set(pipeline.replaced)
    for stage in stages:
        for name in stage.needs:
            if name in available:
                continue

            needed = pipeline.stage(name)
            if records.is_done(needed):
                continue

            if not needed.output.exists():
                reason = f"{needed.output}, which {name} writes, does not exist"
            elif records.has_changed(needed):
                reason = f"{name} has changed since it wrote {needed.output}"
            else:
                reason = f"{name} was not run to its end"

            message = f"{reason}; run it first, or the pipeline without --only"
            raise InvalidPipeline(pipeline.path, [Fault(f"--only {stage.name}", message)])


def _check_limits(pipeline: Pipeline, stages: Sequence[Stage]) -> None:
    """Raise InvalidPipeline where no network meets a limit by the table of the profile."""
    faults = [fault for stage in stages for limit in stage.limits for fault in limit.faults()]
    if faults:
        raise InvalidPipeline(pipeline.path, faults)


def _report_changes(
    pipeline: Pipeline, stages: Sequence[Stage], records: Records, listener: Listener
) -> None:
    changed = {stage.name for stage in stages if records.has_changed(stage)}
    if not changed:
        return

    # Stages that have not begun have nothing to repeat.
    begun = pipeline.dependents(changed) & records.stages.keys()
    repeated = [stage.name for stage in stages if stage.name in begun]
    listener.changed([name for name in STAGES if name in changed], repeated)

    for stage in stages:
        if stage.name in repeated:
            # Forgotten before any of them runs: a run that stops halfway must not trust them.
            remove_outputs(stage)
            records.forget(stage)


def _run_stage(
    stage: Stage,
    records: Records,
    listener: Listener,
    position: tuple[int, int],
    run: Callable[[], int],
) -> StageReport:
    # Computed once, since it reads all inputs, such as the weights of a supernet.
    record = StageRecord.begin(stage)
    if records.is_done(stage, record):
        listener.skipped(stage, *position)
        done = records.stages[stage.name]
        return StageReport(stage.name, done.seconds, done.result, was_done=True)

    previous = records.stages.get(stage.name)
    resumes = previous is not None and previous.is_same_work(record)
    if previous is not None and resumes:
        record = replace(record, seconds=previous.seconds)
    else:
        # Outputs of other settings must not be resumed from.
        remove_outputs(stage)

    # Before the work, so that an interrupted stage is known to have begun with these settings.
    records.save(stage, record)
    listener.begins(stage, *position, resumes=resumes)

    begin = time.monotonic()
    try:
        code = run()
    except StageStopped:
        records.save(stage, replace(record, seconds=record.seconds + time.monotonic() - begin))
        raise

    seconds = record.seconds + time.monotonic() - begin
    if code != 0:
        # Popen reports death by a signal as its negative number.
        ending = f"failed with exit code {code}" if code > 0 else f"was ended by signal {-code}"
        raise StageFailed(f"the stage {stage.name} {ending}: {stage.command_line}")

    if not stage.output.exists():
        raise StageFailed(f"the stage {stage.name} did not write {stage.output}")

    result = result_line(stage)
    records.save(stage, replace(record, status=DONE, seconds=seconds, result=result))

    return StageReport(stage.name, seconds, result, was_done=False)
