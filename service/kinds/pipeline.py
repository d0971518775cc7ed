"""The job kind `pipeline`: run the stages of a pipeline.

An attempt resumes after the stages that an earlier one has done, and inside the stage that was
interrupted where its command can resume, on whichever node it runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from oneshot.pipeline.kinds import STAGES
from oneshot.pipeline.records import Records
from service.admission.tasks import LinkedFile, PipelineTask
from service.jobs import JsonObject
from service.kinds.base import Context, Outcome
from service.kinds.command import run
from service.pipelines.checking import FOLDER
from service.pipelines.checkpoints import PipelineCheckpoints
from service.pipelines.files import SUMMARY, published_files, stage_files
from service.pipelines.program import FILE, PROGRAM
from service.pipelines.progress import StepReports, steps_of
from spaces.files import write_text


class RunPipeline:
    """The job kind `pipeline`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Run a `PipelineTask`; the summary is the artifact, next to the files of each stage."""
        pipeline = PipelineTask.from_dict(task)
        folder = context.folder / FOLDER
        folder.mkdir()
        for file in pipeline.files:
            link_file(file, context)
        write_text(context.folder / FILE, pipeline.text)

        outputs = {name: STAGES[name].output for name in pipeline.stages}
        checkpoints = PipelineCheckpoints(context, folder, outputs)
        checkpoints.restore()
        reports = StepReports(context.reports, folder, pipeline.stages)

        def follow() -> None:
            reports.follow()
            checkpoints.store()

        command = [PROGRAM, str(pipeline.threads)]
        run(command, replace(context, reports=reports), pipeline.threads, follow)

        return _outcome(pipeline, folder)


def link_file(file: LinkedFile, context: Context) -> None:
    """Link a file of the catalog into the folder of an attempt.

    Raises:
        ChangedFile: Its content is another one than when the job was accepted.
        InvalidFile: It does not exist on this machine.
        ArtifactFailed: An upload cannot be read.
    """
    reference = context.localize(file.reference)
    reference.checked()
    # The target is a folder where the file stands for all of it, as of a supernet's run.
    target = Path(file.target if reference.artifact is None else reference.path)

    link = context.folder / file.link
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)


def _outcome(task: PipelineTask, folder: Path) -> Outcome:
    files: dict[str, list[str]] = {}
    contents: dict[str, bytes | Path | None] = {}
    for stage, name, content in stage_files(folder, task):
        files.setdefault(stage, []).append(name)
        contents[name] = content

    stages = [
        {**asdict(step), "files": files.get(step.name, [])}
        for step in steps_of(Records(folder).stages, task.stages)
    ]
    result: JsonObject = {
        "name": task.name,
        "stages": stages,
        "published": dict(published_files(task)),
    }
    summary = (json.dumps(result, indent=1) + "\n").encode()
    # The job's own artifact is the first one.
    return Outcome(result, {SUMMARY: summary, **contents})
