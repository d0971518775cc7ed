"""The job kind `retrain`: run `python -m oneshot retrain`.

An attempt resumes from the latest checkpoint of an earlier one, on whichever node it runs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from oneshot.commands.retrain import retrain
from oneshot.tasks.registry import DEFAULT, canonical, metrics_of
from service.admission.tasks import RetrainTask
from service.jobs import JsonObject
from service.kinds import ray_train
from service.kinds.base import Context, Outcome
from service.kinds.checkpoints import Checkpointing
from service.kinds.command import CommandProgress, run
from service.kinds.options import to_arguments
from service.kinds.ray_train import Processes
from spaces.errors import PathfitError
from spaces.files import write_text
from spaces.progress import listening

RESERVED = (
    "arch",
    "index",
    "space_name",
    "format_name",
    "data",
    "seed",
    "threads",
    "resume",
    "devices",
)
"""Options of the command that the job itself sets."""

ARCHITECTURE = "architecture.json"
RUN = "network"
PROGRAM = "service.kinds.retrain:run_in_group"

_SETTINGS = "run.json"
_CHECKPOINT = "last.ckpt"
_TEST = "test.json"
_FILES = ("weights.safetensors", _SETTINGS, _TEST)

_PICTURE = "test.png"
"""Picture of the results, which networks of some tasks have, such as detectors."""


class Retrain:
    """The job kind `retrain`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Run a `RetrainTask`; the weights are the artifact, and the test is the result."""
        training = RetrainTask.from_dict(task)
        context.adopt_checkpoints(_SETTINGS, _CHECKPOINT)
        if training.workers > 1:
            processes = Processes(training.workers, training.threads, _uses_gpu(training))
            ray_train.run(PROGRAM, task, context, processes)
            # Process 0 may have run on another node, so that its folder is not here.
            stored = f"{context.job_id}/{context.attempt}"
            test = context.artifacts.read(f"{stored}/{_TEST}")
            pictures = [_PICTURE] if context.artifacts.exists(f"{stored}/{_PICTURE}") else []
            names = [*_FILES, *pictures]
            # Process 0 has stored the files already.
            return Outcome(_result(training, test, names), dict.fromkeys(names))

        _restore(context)
        run(_command(training, context), context, training.threads, _checkpointing(context))
        folder = context.folder / RUN
        test = (folder / _TEST).read_bytes()
        files = _public_files(folder)

        return Outcome(_result(training, test, list(files)), dict(files))


def run_in_group(
    task: Mapping[str, Any], context: Context, rank: int, on_error: Callable[[PathfitError], object]
) -> None:
    """Run one of several processes, which has no other work; process 0 stores the outcome.

    Args:
        task: Task of the job.
        context: Context of the attempt, with a folder of this process.
        rank: Number of the process.
        on_error: Receives the error if a checkpoint cannot be stored.
    """
    import torch

    from oneshot.training.group import PartDone

    training = RetrainTask.from_dict(task)
    # The command's relative paths are those of the attempt; each process has a folder of its own.
    os.chdir(context.folder)
    torch.set_num_threads(training.threads)
    _restore(context)
    command = _command(training, context)
    # The run records how it was started.
    sys.argv = ["oneshot/__main__.py", *command[1:]]
    if rank:
        # Process 0 reports for all.
        with suppress(PartDone), listening(lambda *progress: None):
            retrain.main(command[2:], standalone_mode=False)
        return

    def report(*progress: Any) -> None:
        context.progress(CommandProgress(*progress))

    # In the background, as the command occupies this thread until its end.
    with _checkpointing(context).in_background(on_error), listening(report):
        retrain.main(command[2:], standalone_mode=False)

    for name, content in _public_files(context.folder / RUN).items():
        context.artifacts.write(context.job_id, context.attempt, name, content)


def _public_files(folder: Path) -> dict[str, bytes | Path]:
    """Return the files of a run as clients get them: without the folders of this machine."""
    from oneshot.run import without_folders

    settings = without_folders(json.loads((folder / _SETTINGS).read_bytes()))
    files: dict[str, bytes | Path] = {name: folder / name for name in _FILES}
    files[_SETTINGS] = (json.dumps(settings, indent=1) + "\n").encode()
    if (folder / _PICTURE).exists():
        files[_PICTURE] = folder / _PICTURE
    return files


def _restore(context: Context) -> None:
    """Restore the checkpoint of an earlier attempt, if there is one."""
    for name in (_SETTINGS, _CHECKPOINT):
        context.restore_checkpoint(context.folder / RUN / name)


def _command(training: RetrainTask, context: Context) -> list[str]:
    architecture = json.dumps(dict(training.architecture)) + "\n"
    write_text(context.folder / ARCHITECTURE, architecture)
    command = ["oneshot", "retrain", "--arch", ARCHITECTURE, "--data", training.data]
    command += ["--seed", str(training.seed)]
    if training.supernet is not None:
        # The command takes a run's folder; its weights are those that were pinned.
        command += ["--init-from-supernet", str(training.supernet.checked().parent)]

    options = dict(training.options)
    if training.workers > 1:
        command += ["--devices", str(training.workers)]
        # Explicit: Ray has hidden from each process the devices that it may not use.
        options["accelerator"] = "gpu" if _uses_gpu(training) else "cpu"

    command += to_arguments(retrain, options, RESERVED)

    return [*command, "--threads", str(training.threads), "--resume", "-o", RUN]


def _uses_gpu(training: RetrainTask) -> bool:
    return training.options.get("accelerator") == "gpu"


def _result(training: RetrainTask, test: bytes, files: Sequence[str]) -> JsonObject:
    task = training.options.get("task", DEFAULT)
    metrics = {name: metric.to_dict() for name, metric in metrics_of(task).items()}
    return {
        "architecture": dict(training.architecture),
        "test": json.loads(test),
        "task": canonical(task),
        "metrics": metrics,
        "seed": training.seed,
        "files": list(files),
    }


def _checkpointing(context: Context) -> Checkpointing:
    folder = context.folder / RUN
    return Checkpointing(context, folder / _CHECKPOINT, settings=folder / _SETTINGS)
