"""Trainings in several processes on one machine."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import distributed, multiprocessing
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from oneshot.errors import InvalidRun
from oneshot.training.loop import Job, Outcome, train
from oneshot.training.stop import leave_to_parent, on_signals
from spaces.errors import PathfitError
from spaces.plugins.loading import LoadedFiles

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class RemoteJob(Job):
    """Job of another process, which reports through a queue and is stopped by an event.

    Args:
        job: Training to run.
        queue: Queue of the reports of process 0 and the errors of all processes.
        event: Event that is set when the training is to stop.
        threads: Number of torch's threads in each process.
    """

    def __init__(self, job: Job, queue: Any, event: Any, threads: int):
        super().__init__(
            job.algorithm, job.images, job.folder, job.seed, job.augment, job.execution, self.put
        )
        self.queue = queue
        self.event = event
        self.threads = threads

    def __reduce__(self) -> tuple[Any, ...]:
        # The files of plug-ins first: the algorithm's space may be one that they register.
        return _empty_job, (LoadedFiles(),), self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Called in the new process, before Lightning reports how it sets up.
        quiet()
        self.__dict__.update(state)

    def put(self, fraction: float, state: str) -> None:
        """Report progress."""
        self.queue.put(("progress", fraction, state))

    def stop(self) -> None:
        """Stop the training after one of its next updates."""
        self.event.set()

    @property
    def wants_stop(self) -> bool:
        """Whether the training is to stop."""
        return bool(self.event.is_set())


def _empty_job(_: LoadedFiles) -> RemoteJob:
    """Return the job of the new process, whose state follows."""
    return RemoteJob.__new__(RemoteJob)


def spawn(fabric: Fabric, job: Job) -> Outcome:
    """Run a job in as many processes as Fabric has devices.

    Args:
        fabric: Lightning's Fabric.
        job: Training to run.

    Raises:
        InvalidRun: A process raised an error or was killed.
    """
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // job.execution.devices)
    remote = RemoteJob(job, context.SimpleQueue(), context.Event(), threads)
    failures: list[str] = []
    raised: list[BaseException] = []

    def listen() -> None:
        while (message := remote.queue.get()) is not None:
            kind, *contents = message
            if kind == "error":
                failures.append(contents[0])
                continue

            try:
                job.progress(*contents)
            # An error of the caller's function, which the main thread raises.
            except BaseException as error:
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
            f"a process of the training ended: {error}; resume {job.folder} with --resume"
        ) from error

    if raised:
        raise raised[0]

    return outcome


def _process(fabric: Fabric, job: RemoteJob) -> Outcome:
    leave_to_parent()
    torch.set_num_threads(job.threads)

    # Tensors arrive in memory that all processes share; each needs its own weights.
    job.algorithm = copy.deepcopy(job.algorithm)
    try:
        outcome = train(fabric, job)
    except PathfitError as error:
        job.queue.put(("error", str(error)))
        raise

    _leave_group()
    return outcome


def _leave_group() -> None:
    """End the connections between the processes, once all of them have trained.

    Left to the end of the interpreter, threads of a connection may outlive its other end, and abort
    a process whose work is done.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def quiet() -> None:
    """Silence Lightning's reports of its set-up and torch's of the processes that it ends."""
    for name in ("lightning_fabric", "torch.multiprocessing.spawn"):
        logging.getLogger(name).setLevel(logging.ERROR)
