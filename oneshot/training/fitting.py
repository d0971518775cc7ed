"""`fit`: train an algorithm on one device or many, in one process or many."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from oneshot.errors import InvalidOption
from oneshot.training import checkpoint
from oneshot.training.algorithm import Algorithm
from oneshot.training.batches import Source
from oneshot.training.execution import PRECISIONS, Execution
from oneshot.training.loop import Job, Outcome, train
from oneshot.training.processes import quiet, spawn
from oneshot.training.stop import Stopped, on_signals
from spaces.progress import Progress, silent

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fit(
    algorithm: Algorithm,
    images: Source,
    folder: Path,
    *,
    seed: int,
    augment: bool = False,
    execution: Execution | None = None,
    progress: Progress = silent,
) -> None:
    """Train an algorithm's model in place, resuming from the checkpoint in `folder` if any.

    The weights depend on the algorithm, the images and the seed alone, not on interruptions: a
    resumed training ends with exactly the weights of an unbroken one (on the same devices).
    Process 0 alone writes files.

    Several processes are started here, unless this process belongs to a group of torch.distributed
    already, as in Ray Train: then every process of the group calls this, and process 0 alone
    returns.

    Args:
        algorithm: Algorithm to run; its recipe defines the length of the training.
        images: Training images.
        folder: Folder of the checkpoint `last.ckpt`.
        seed: Seed of the order of the images and of the random numbers of steps.
        augment: Whether the images are augmented.
        execution: Devices, precision and the frequency of reports; None: one device, fp32.
        progress: Called with every report.

    Raises:
        InvalidOption: The recipe does not fit the images or the devices.
        InvalidRun: The checkpoint is of another training, or the training diverged.
        Stopped: The training was interrupted (Ctrl-C); the checkpoint is written.
        PartDone: The training is done, and this process of a group is not number 0.
    """
    from oneshot.training.group import PartDone, joined

    execution = execution or Execution()
    folder.mkdir(parents=True, exist_ok=True)
    fabric = launchable(execution)
    job = Job(algorithm, images, folder, seed, augment, execution, progress)

    if execution.devices == 1 or joined(execution.devices):
        cuda = [fabric.device] if fabric.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda), on_signals(job.stop):
            outcome = fabric.launch(cast("Callable[..., Outcome]", train), job)
        algorithm.model.cpu()
        algorithm.to("cpu")
    else:
        outcome = spawn(fabric, job)

        # The other processes trained copies; their result is in the last checkpoint.
        state = checkpoint.read(folder / checkpoint.FILE)
        algorithm.model.load_state_dict(state["model"])
        algorithm.load_state_dict(state["task"])
    if not outcome.finished:
        raise Stopped(folder / checkpoint.FILE, outcome.step, outcome.steps)
    if fabric.global_rank:
        raise PartDone(0)


def launchable(execution: Execution) -> Fabric:
    """Return Lightning's Fabric for the devices and the precision.

    Args:
        execution: Devices and precision.

    Raises:
        InvalidOption: There are no such devices, or they do not have the precision.
    """
    from lightning_fabric import Fabric

    from oneshot.training.group import joined, layout

    grouped = joined(execution.devices)
    gpus = torch.cuda.device_count()
    kind = execution.accelerator
    if kind == "auto":
        kind = "gpu" if gpus else "cpu"
    if kind == "gpu" and (needed := 1 if grouped else execution.devices) > gpus:
        raise InvalidOption(f"devices: this machine has {gpus} GPUs, not {needed}")
    if kind == "cpu" and execution.precision == "fp16":
        raise InvalidOption("precision: fp16 needs a GPU; processors have fp32 and bf16")
    quiet()
    with warnings.catch_warnings():
        # Advice on devices that the user excluded on purpose.
        warnings.filterwarnings("ignore", "GPU available but not used")

        # Spawned processes rather than further runs of the command: they work from a program or a
        # service as well.
        spawning = {
            "devices": execution.devices,
            "strategy": "auto" if execution.devices == 1 else "ddp_spawn",
        }
        return Fabric(
            accelerator="cuda" if kind == "gpu" else "cpu",
            precision=PRECISIONS[execution.precision],  # type: ignore[arg-type]
            **(layout(kind == "gpu") if grouped else spawning),
        )
