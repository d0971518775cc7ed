"""The loop over the updates of a training, as each of its processes runs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from oneshot.data.split import Batch, EpochLoader
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.training import checkpoint
from oneshot.training.algorithm import Algorithm
from oneshot.training.batches import Source, updates
from oneshot.training.engine import Engine
from oneshot.training.execution import Execution
from oneshot.training.narrow_convolutions import is_affected, planar_convolutions
from oneshot.training.normalisation import WholeBatch
from oneshot.training.passes import moved_inputs
from oneshot.training.reports import Reports
from spaces.progress import Progress

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_AGREE_EVERY = 20
"""Updates between the checks that all processes have the same path, and none wants to stop."""


class Job:
    """Training that a process runs; see `fit` for the arguments.

    It is no dataclass, because Lightning would rebuild one from its fields in other processes.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        images: Source,
        folder: Path,
        seed: int,
        augment: bool,
        execution: Execution,
        progress: Progress,
    ):
        self.algorithm = algorithm
        self.images = images
        self.folder = folder
        self.seed = seed
        self.augment = augment
        self.execution = execution
        self.progress = progress
        self.stopped = False

    def stop(self) -> None:
        """Stop the training after its present update."""
        self.stopped = True

    @property
    def wants_stop(self) -> bool:
        """Whether the training is to stop."""
        return self.stopped


class Outcome(NamedTuple):
    """State in which a training ended.

    It is no dataclass, because Lightning rebuilds these from their fields between processes.

    Args:
        step: Number of updates that are done.
        steps: Number of updates of the whole training.
    """

    step: int
    steps: int

    @property
    def finished(self) -> bool:
        """Whether all updates are done."""
        return self.step >= self.steps


def train(fabric: Fabric, job: Job) -> Outcome:
    """Run the updates of a job to the end, or until it is to stop.

    Args:
        fabric: Lightning's Fabric, launched.
        job: Training to run.

    Raises:
        InvalidOption: The recipe does not fit the images or the devices.
        InvalidRun: The checkpoint is of another training, or the training diverged.
    """
    algorithm = job.algorithm
    execution = job.execution
    rank = fabric.global_rank
    ranks = fabric.world_size
    loader = _loader(job, rank, ranks)
    steps_per_epoch = len(loader) // execution.accumulate
    steps = algorithm.recipe.updates(steps_per_epoch)
    engine = _make_engine(fabric, algorithm, steps)

    start = 0
    path = job.folder / checkpoint.FILE
    if path.exists():
        start = checkpoint.restore(path, algorithm, engine, steps=steps, seed=job.seed)

    # Process 0 must not replace the file while others read it.
    fabric.barrier()

    # One process speaks for all.
    reports = _make_reports(job, steps, steps_per_epoch, start) if rank == 0 else None
    engine.meter.clear()
    normalising = WholeBatch() if ranks > 1 and execution.sync_batch_norm else nullcontext()
    all_batches = updates(loader, execution.accumulate, start)
    step = start
    layouts = ExitStack()
    if is_affected(fabric.device):
        layouts.enter_context(planar_convolutions(algorithm.model))
    try:
        for step, batches in zip(range(start, steps), all_batches, strict=False):
            if ranks > 1 and (step - start) % _AGREE_EVERY == 0:
                engine.check_same(algorithm.path_digest(step, _AGREE_EVERY))

            if step % steps_per_epoch == 0:
                # The next batches do not follow the last ones in the data.
                algorithm.passes.reset()

            _update(algorithm, batches, step, job.seed, engine, normalising)
            step += 1

            # All processes must stop after the same update.
            stop = job.wants_stop
            if ranks > 1:
                stop = (step - start) % _AGREE_EVERY == 0 and engine.any_wants(stop)

            if step % execution.report_every == 0 or step % steps_per_epoch == 0 or step == steps:
                _report(engine, reports, step)

            if rank == 0 and (step % execution.checkpoint_every == 0 or step == steps or stop):
                checkpoint.save(path, algorithm, engine, step=step, steps=steps, seed=job.seed)

            if stop:
                break
    finally:
        layouts.close()
        if reports is not None:
            reports.close()

    fabric.barrier()

    return Outcome(step, steps)


def _loader(job: Job, rank: int, ranks: int) -> EpochLoader:
    """Return the batches of a process.

    Args:
        job: Training to run.
        rank: Index of the process.
        ranks: Number of processes.
    """
    algorithm = job.algorithm
    if ranks > 1 and algorithm.task.carries_state:
        # A checkpoint has the state of process 0 alone.
        raise InvalidOption(
            f"devices: the task {algorithm.task.name} carries a state from batch to batch, which"
            f" needs 1 process, not {ranks}"
        )

    num_images = len(job.images)
    batch_size = job.execution.batch_size_per_device(algorithm.recipe.batch_size, ranks, num_images)
    loader = job.images.epochs(batch_size, job.seed, augment=job.augment, rank=rank, ranks=ranks)
    if len(loader) < job.execution.accumulate:
        raise InvalidOption(
            f"batch_size: {num_images} training images give no batch of"
            f" {algorithm.recipe.batch_size}"
        )

    return loader


def _make_engine(fabric: Fabric, algorithm: Algorithm, steps: int) -> Engine:
    """Move a model to its device and return the engine that trains it for `steps` updates."""
    # Before the optimizers are made, whose states follow the device of the weights.
    algorithm.model.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    algorithm.to(fabric.device)
    algorithm.model.train()
    return Engine(fabric, algorithm.optimizers(steps), algorithm.recipe.clip, algorithm.task)


def _make_reports(job: Job, steps: int, steps_per_epoch: int, start: int) -> Reports:
    folder = job.folder if job.execution.tensorboard else None
    return Reports(job.progress, steps, steps_per_epoch, folder, start)


def _update(
    algorithm: Algorithm,
    batches: Sequence[Batch],
    step: int,
    seed: int,
    engine: Engine,
    normalising: AbstractContextManager[Any],
) -> None:
    device = engine.fabric.device
    moved = [
        (moved_inputs(inputs, device), targets.to(device, non_blocking=True))
        for inputs, targets in batches
    ]

    # Processes have different random numbers (dropout), from (seed, step, rank) alone.
    state = np.random.SeedSequence([seed, step, engine.fabric.global_rank]).generate_state(
        1, np.uint64
    )[0]
    torch.manual_seed(int(state))

    algorithm.passes.begin(seed, step, engine.fabric.global_rank)
    algorithm.before_step(step)

    with normalising:
        algorithm.step(moved, step, engine)

    algorithm.passes.commit()
    algorithm.after_step(step)
    engine.meter.count(sum(len(targets) for _, targets in moved))


def _report(engine: Engine, reports: Reports | None, step: int) -> None:
    reading = engine.meter.read(engine.ranks)
    if reading.loss is not None and not math.isfinite(reading.loss):
        raise InvalidRun(
            f"the loss is {reading.loss} after update {step}: the training diverged; lower"
            " learning_rate"
        )

    if reports is not None:
        reports.write(step, reading, float(engine.optimizers[0].param_groups[0]["lr"]))
