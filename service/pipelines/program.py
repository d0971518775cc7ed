"""The process that runs the stages of a job's pipeline, each in a process of its own.

`python -m service.kinds.command service.pipelines.program THREADS` runs `pipeline.yaml` of the
present folder. Each stage ends with this process, which ends with the worker.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from service.kinds import command
from service.kinds.base import ProcessDied, Progress
from service.kinds.command import EXIT_LOST, CommandFailed, CommandProgress
from service.pipelines.checking import FOLDER

if TYPE_CHECKING:
    from oneshot.pipeline.pipeline import Stage

FILE = "pipeline.yaml"
"""Name of the pipeline's file in the folder of the attempt."""

PROGRAM = "service.pipelines.program"


@dataclass
class _Stages:
    """Runs stages by the commands of jobs, and knows which one runs."""

    threads: int
    folder: Path = field(default_factory=Path.cwd)
    name: str = ""

    # As the listener of `run_pipeline`

    def changed(self, changed: Sequence[str], repeated: Sequence[str]) -> None:
        """Ignore stages that run again; the record of the run has them."""

    def begins(self, stage: Stage, position: int, count: int, resumes: bool) -> None:
        """Note the stage that begins."""
        self.name = stage.name

    def skipped(self, stage: Stage, position: int, count: int) -> None:
        """Ignore a stage that an earlier attempt had done."""

    # As the surroundings of a command

    def progress(self, progress: Progress) -> None:
        """Pass a stage's progress on to the worker."""
        assert isinstance(progress, CommandProgress)
        command.report(progress)

    def check_cancelled(self) -> None:
        """Do nothing: the worker ends this process, and the stage with it."""

    def execute(self, arguments: Sequence[str], lock: int) -> int:
        """Run a stage's command to its end; for the arguments see `run_pipeline`."""
        from oneshot.pipeline.faults import StageFailed

        try:
            command.run(arguments, self, self.threads)
        except CommandFailed as error:
            raise StageFailed(f"the stage {self.name} failed: {error}") from error
        except ProcessDied as death:
            raise ProcessDied(f"in the stage {self.name} {death}") from death
        return 0


def main() -> None:
    """Run the pipeline; the exit code says whether another attempt may help."""
    from oneshot.pipeline.building import build_pipeline
    from oneshot.pipeline.document import read_document
    from oneshot.pipeline.running import run_pipeline
    from spaces.errors import PathfitError

    stages = _Stages(threads=int(sys.argv[1]))
    try:
        pipeline = build_pipeline(read_document(FILE), FOLDER)
        run_pipeline(pipeline, stages, execute=stages.execute)
    except ProcessDied as death:
        print(f"Error: {death}")
        raise SystemExit(EXIT_LOST) from death
    except PathfitError as error:
        # In one line, which is what the worker takes for the reason.
        print(f"Error: {'; '.join(line.strip() for line in str(error).splitlines())}")
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
