"""Trainings in several processes of this machine."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import multiprocessing
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from oneshot.errors import InvalidRun
from oneshot.training.loop import Job, Outcome, train
from oneshot.training.stop import leave_to_parent, on_signals
from spaces.errors import PathfitError

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class RemoteJob(Job):
    """A job on its way to another process, which reports through a queue and is stopped by an
    event.

    Args:
        job: what is trained.
        queue: takes what process 0 has to report, and errors of all.
        event: set when the training is to stop.
        threads: of torch, in each process.
    """

    def __init__(self, job: Job, queue: Any, event: Any, threads: int):
        super().__init__(
            job.algorithm, job.images, job.folder, job.seed, job.augment, job.execution, self.put
        )
        self.queue, self.event, self.threads = queue, event, threads

    def __setstate__(self, state: dict[str, Any]) -> None:
        # In the new process, before Lightning tells how it sets up.
        quiet()
        self.__dict__.update(state)

    def put(self, share: float, text: str) -> None:
        """Report progress."""
        self.queue.put(("progress", share, text))

    def stop(self) -> None:
        """Let the training stop soon."""
        self.event.set()

    @property
    def wants_stop(self) -> bool:
        """Whether it is to stop."""
        return bool(self.event.is_set())


def spawn(fabric: Fabric, job: Job) -> Outcome:
    """Run a job in as many processes as Fabric has devices.

    Raises:
        InvalidRun: what a process raised, or that one was killed.
    """
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // job.execution.devices)
    remote = RemoteJob(job, context.SimpleQueue(), context.Event(), threads)
    failures: list[str] = []
    raised: list[BaseException] = []

    def listen() -> None:
        while (message := remote.queue.get()) is not None:
            kind, *rest = message
            if kind == "error":
                failures.append(rest[0])
                continue
            try:
                job.progress(*rest)
            except BaseException as error:  # the caller's; raised where it is waited for
                raised.append(error)
                remote.stop()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        try:
            with on_signals(remote.stop):
                outcome: Outcome = fabric.launch(cast("Callable[..., Outcome]", _process), remote)
        finally:
            remote.queue.put(None)
            listener.join()
    except ProcessRaisedException as error:
        if not failures:
            raise
        raise InvalidRun(failures[0]) from error
    except ProcessExitedException as error:
        raise InvalidRun(
            f"a process of the training ended: {error}; go on from {job.folder} by --resume"
        ) from error
    if raised:
        raise raised[0]
    return outcome


def _process(fabric: Fabric, job: RemoteJob) -> Outcome:
    leave_to_parent()
    torch.set_num_threads(job.threads)
    # Tensors come in memory that all processes share; each needs weights of its own.
    job.algorithm = copy.deepcopy(job.algorithm)
    try:
        return train(fabric, job)
    except PathfitError as error:
        job.queue.put(("error", str(error)))
        raise


def quiet() -> None:
    """Let Lightning keep to itself how it sets up, and torch which processes it ends where one has
    failed.
    """
    for name in (
        "lightning",
        "lightning.fabric",
        "lightning.pytorch",
        "torch.multiprocessing.spawn",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
