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
    from lightning.fabric import Fabric


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
    """Train a task's model in place; a checkpoint in `folder` lets an interrupted training go on.

    The weights depend on the algorithm, the images and the seed alone, not on interruptions: a
    resumed training ends with exactly the weights of an unbroken one (on the same devices).
    Process 0 alone writes files.

    Several processes are started here, unless this is one of a group that torch.distributed is in
    already, as Ray Train makes it: then each of the group calls this, and process 0 alone returns.

    Args:
        algorithm: what is trained; its recipe says how long.
        images: for training.
        folder: holds `last.ckpt`; training goes on from it where it exists.
        seed: of the batches' order and of what a step draws.
        augment: whether the images are augmented.
        execution: devices, precision, and what is written how often (default: one device, fp32).
        progress: called with every report.

    Raises:
        InvalidOption: the recipe does not fit the images or the devices.
        InvalidRun: the checkpoint is of another training, or the training diverged.
        Stopped: Ctrl-C; the checkpoint is written.
        PartDone: the training is done, and this is another process of a group than number 0.
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
        state = checkpoint.read(folder / checkpoint.FILE)
        algorithm.model.load_state_dict(state["model"])
        algorithm.load_state_dict(state["task"])
    if not outcome.finished:
        raise Stopped(folder / checkpoint.FILE, outcome.step, outcome.steps)
    if fabric.global_rank:
        raise PartDone(0)


def launchable(execution: Execution) -> Fabric:
    """Lightning's Fabric for the devices and the precision.

    Raises:
        InvalidOption: there are no such devices, or they lack the precision.
    """
    from lightning.fabric import Fabric

    from oneshot.training.group import joined, layout

    grouped = joined(execution.devices)
    gpus = torch.cuda.device_count()
    kind = execution.accelerator if execution.accelerator != "auto" else ("gpu" if gpus else "cpu")
    if kind == "gpu" and (needed := 1 if grouped else execution.devices) > gpus:
        raise InvalidOption(f"devices: this machine has {gpus} GPUs, not {needed}")
    if kind == "cpu" and execution.precision == "fp16":
        raise InvalidOption("precision: fp16 needs a GPU; on processors there are fp32 and bf16")
    quiet()
    with warnings.catch_warnings():
        # Advice on devices that were left out on purpose.
        warnings.filterwarnings("ignore", "GPU available but not used")
        # Own processes, not the command run again: they work in the same way from a program or a
        # service.
        own = {
            "devices": execution.devices,
            "strategy": "auto" if execution.devices == 1 else "ddp_spawn",
        }
        return Fabric(
            accelerator="cuda" if kind == "gpu" else "cpu",
            precision=PRECISIONS[execution.precision],  # type: ignore[arg-type]
            **(layout(kind == "gpu") if grouped else own),
        )
