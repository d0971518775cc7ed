"""Retrain: what `python -m oneshot retrain` does, as a job that goes on from its checkpoint
wherever it is run next.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from oneshot.commands.retrain import retrain
from service.admission.tasks import RetrainTask
from service.kinds import ray_train
from service.kinds.base import Context, Outcome
from service.kinds.checkpoints import Keeping
from service.kinds.command import as_report, run
from service.kinds.options import arguments
from service.kinds.ray_train import Processes
from spaces.errors import PathfitError
from spaces.files import write_text
from spaces.progress import listening

OWN = ("arch", "index", "space_name", "format_name", "data", "seed", "threads", "resume", "devices")
"""Options of the command that a job sets itself."""

ARCHITECTURE, RUN = "architecture.json", "network"
_SETTINGS, _CHECKPOINT, _TEST = "run.json", "last.ckpt", "test.json"
PART = "service.kinds.retrain:take_part"
_FILES = ("weights.safetensors", _SETTINGS, _TEST)


class Retrain:
    """The job kind `retrain`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Train as the task says; the weights are the artifact, the test the result."""
        asked = RetrainTask.from_dict(task)
        context.adopt(_SETTINGS, _CHECKPOINT)
        if asked.workers > 1:
            ray_train.run(PART, task, context, Processes(asked.workers, asked.threads, _gpu(asked)))
            test = context.artifacts.read(f"{context.job_id}/{context.attempt}/{_TEST}")
            return Outcome(_result(asked, test), dict.fromkeys(_FILES))
        _restore(context)
        run(_command(asked, context), context, asked.threads, _keeping(context))
        folder = context.folder / RUN
        return Outcome(_result(asked, (folder / _TEST).read_bytes()), dict(_served(folder)))


def take_part(
    task: Mapping[str, Any], context: Context, rank: int, failed: Callable[[PathfitError], object]
) -> None:
    """Do the part of one of several processes, which does nothing else; process 0 keeps what comes
    of it.

    Args:
        task: the job's.
        context: of the attempt, with a folder of this process.
        rank: the process's number.
        failed: hears why a checkpoint cannot be kept.
    """
    import torch

    from oneshot.training.group import PartDone

    asked = RetrainTask.from_dict(task)
    os.chdir(context.folder)
    torch.set_num_threads(asked.threads)
    _restore(context)
    command = _command(asked, context)
    sys.argv = ["oneshot/__main__.py", *command[1:]]  # what the run records of how it was made
    if rank:
        # Process 0 reports for all.
        with suppress(PartDone), listening(lambda *report: None):
            retrain.main(command[2:], standalone_mode=False)
        return

    def report(title: str, fraction: float, state: str) -> None:
        context.progress(as_report(title, fraction, state))

    with _keeping(context).throughout(failed), listening(report):
        retrain.main(command[2:], standalone_mode=False)
    for name, content in _served(context.folder / RUN).items():
        context.artifacts.write(context.job_id, context.attempt, name, content)


def _served(folder: Path) -> dict[str, bytes | Path]:
    """The files of a run's folder as others get them: its settings do not tell where this machine
    keeps things.
    """
    from oneshot.run import without_folders

    settings = without_folders(json.loads((folder / _SETTINGS).read_bytes()))
    found: dict[str, bytes | Path] = {name: folder / name for name in _FILES}
    return {**found, _SETTINGS: (json.dumps(settings, indent=1) + "\n").encode()}


def _restore(context: Context) -> None:
    """Put what was kept of the training in place."""
    for name in (_SETTINGS, _CHECKPOINT):
        context.kept(context.folder / RUN / name)


def _command(asked: RetrainTask, context: Context) -> list[str]:
    write_text(context.folder / ARCHITECTURE, json.dumps(dict(asked.architecture)) + "\n")
    command = [
        "oneshot",
        "retrain",
        "--arch",
        ARCHITECTURE,
        "--data",
        asked.data,
        "--seed",
        str(asked.seed),
    ]
    if asked.supernet is not None:
        command += ["--init-from-supernet", str(asked.supernet.checked().parent)]
    options = dict(asked.options)
    if asked.workers > 1:
        command += ["--devices", str(asked.workers)]
        options["accelerator"] = (
            "gpu" if _gpu(asked) else "cpu"
        )  # Ray gave each process what it may use
    return [
        *command,
        *arguments(retrain, options, OWN),
        "--threads",
        str(asked.threads),
        "--resume",
        "-o",
        RUN,
    ]


def _gpu(asked: RetrainTask) -> bool:
    return asked.options.get("accelerator") == "gpu"


def _result(asked: RetrainTask, test: bytes) -> dict[str, Any]:
    return {"architecture": dict(asked.architecture), "test": json.loads(test), "seed": asked.seed}


def _keeping(context: Context) -> Keeping:
    """Keeps each new checkpoint, and the settings before the first."""
    return Keeping(
        context, context.folder / RUN / _CHECKPOINT, before=context.folder / RUN / _SETTINGS
    )
