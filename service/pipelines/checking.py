"""The checks of `pathfit pipeline check` on a request's pipeline, in a process of their own.

`python -m service.pipelines.checking` reads a resolved pipeline, as `check` writes it, from
standard input and writes its faults or its stages. Some checks import torch, which the web process
does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneshot.pipeline.document import Document
from oneshot.pipeline.faults import Fault, InvalidPipeline
from service.operation.scratch import temporary_folder
from service.pipelines.texts import (
    document_from_dict,
    document_to_dict,
    fault_from_dict,
    fault_to_dict,
)
from service.problems import busy
from spaces.plugins.loading import load_file, loaded_files

TIMEOUT_S = 60.0
"""Seconds that a check may take."""

FOLDER = Path("run")
"""Folder of a job's run, below the folder of the attempt."""

NAME = Path("pipeline")
"""Name of a request's pipeline in messages."""


@dataclass(frozen=True)
class CheckedPipeline:
    """A pipeline without faults.

    Args:
        stages: Stage -> arguments of its command.
    """

    stages: Mapping[str, Sequence[str]]

    @property
    def space(self) -> str | None:
        """Name of the space of the first stage that names one; None for none."""
        for arguments in self.stages.values():
            if "--space" in arguments:
                return arguments[arguments.index("--space") + 1]
        return None

    @property
    def threads(self) -> int:
        """Greatest number of threads that a stage asks for; 1 where none does."""
        return max(map(_threads, self.stages.values()), default=1)

    @property
    def uses_gpu(self) -> bool:
        """Whether a stage runs on a GPU."""
        return any(
            arguments[index + 1].startswith(("gpu", "cuda"))
            for arguments in self.stages.values()
            for index, argument in enumerate(arguments[:-1])
            if argument in ("--device", "--accelerator")
        )


def check(document: Document) -> CheckedPipeline:
    """Check a resolved pipeline.

    Args:
        document: The pipeline, with the faults of its names.

    Raises:
        InvalidPipeline: It has faults; all are reported.
        Problem: The checks take too long (503).
    """
    request = {**document_to_dict(document), "plugins": list(loaded_files())}
    # In an empty folder: no text of a request is the name of a file there.
    with temporary_folder() as folder:
        try:
            process = subprocess.run(
                [sys.executable, "-m", "service.pipelines.checking"],
                input=json.dumps(request),
                text=True,
                capture_output=True,
                timeout=TIMEOUT_S,
                cwd=folder,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise busy(f"the checks take longer than {TIMEOUT_S:.0f} s", 60) from error

    if process.returncode:
        # The last line of a traceback is the error's message.
        reason = (process.stderr.strip().splitlines() or ["no reason"])[-1]
        raise RuntimeError(f"the checks of a pipeline failed: {reason:.300}")
    answer = json.loads(process.stdout)
    if answer["faults"]:
        raise InvalidPipeline(NAME, [fault_from_dict(fault) for fault in answer["faults"]])
    return CheckedPipeline(answer["stages"])


def _threads(arguments: Sequence[str]) -> int:
    if "--threads" not in arguments:
        return 1
    return int(arguments[arguments.index("--threads") + 1])


def main() -> None:
    """Check the pipeline on standard input."""
    from oneshot.pipeline.building import build_pipeline

    request = json.loads(sys.stdin.read())
    for path in request["plugins"]:
        load_file(path)
    faults: Sequence[Fault] = ()
    stages: dict[str, Sequence[str]] = {}
    try:
        pipeline = build_pipeline(document_from_dict(request, NAME), FOLDER)
        stages = {stage.name: stage.arguments for stage in pipeline.stages}
    except InvalidPipeline as invalid:
        faults = invalid.faults
    answer = {"faults": [fault_to_dict(fault) for fault in faults], "stages": stages}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
