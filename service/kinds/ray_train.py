"""Running a job in several processes by Ray Train.

The program below, `python -m service.kinds.command service.kinds.ray_train ORDER`, is a Ray driver
of its own. Ray ends everything that a driver has started when that driver ends, however it does: so
cancelling, or the death of the worker whose job it is, ends every process of the group on every
node.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from service.artifacts import Artifacts
from service.jobs import JsonObject
from service.kinds import command
from service.kinds.base import Context, Progress, explain_refused_write
from service.kinds.command import EXIT_LOST, CommandProgress
from service.operation.scratch import attempt_name, temporary_folder
from spaces.errors import PathfitError
from spaces.files import write_text
from spaces.plugins.loading import load_file, loaded_files

ORDER = "order.json"

GroupProgram = Callable[[Mapping[str, Any], Context, int, Callable[[PathfitError], object]], None]
"""Program of each process: takes the task, the context, the rank, and a receiver of errors of its
threads.
"""

_ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    # A process whose partners have died waits for them at its end; Ray must not wait for it.
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "2",
    # Actors and files for Ray's dashboard, which is not started.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
}

# Attempts of 60 seconds each to find room for all processes.
_MAX_STARTS = 10

# Words of errors that arise in a process because another one of the group has died.
_PARTNER_DIED = ("gloo", "nccl", "Connection closed by peer", "Connection reset by peer")


@dataclass(frozen=True)
class Processes:
    """The processes of a group.

    Args:
        count: Number of processes.
        threads: Threads of each, with a processor core for every thread.
        gpu: Whether each has a GPU.
    """

    count: int
    threads: int
    gpu: bool


@dataclass(frozen=True)
class GroupOrder:
    """An order to the driver of a group.

    Args:
        address: Address of Ray.
        program: `module:function` of a `GroupProgram`.
        task: Task of the job.
        job_id: Id of the job.
        attempt: Number of the attempt.
        artifacts: URL of the artifacts.
        processes: The processes.
        queue: Ray's queue for the messages of the processes; None until the driver has created it.
        plugins: Files of plug-ins that each process loads.
    """

    address: str
    program: str
    task: JsonObject
    job_id: str
    attempt: int
    artifacts: str
    processes: Processes
    queue: Any = None
    plugins: Sequence[str] = ()

    @classmethod
    def read(cls, path: Path) -> GroupOrder:
        """Read the file that `write` wrote."""
        value = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**value, "processes": Processes(**value["processes"])})

    def write(self, path: Path) -> None:
        """Write the order as a JSON file."""
        write_text(path, json.dumps(asdict(self)))


def run(program: str, task: Mapping[str, Any], context: Context, processes: Processes) -> None:
    """Run a program in several processes, and wait for all.

    Args:
        program: `module:function` of a `GroupProgram`.
        task: Task of the job.
        context: Context of the attempt; the processes share its artifacts, and have a folder each.
        processes: The processes.

    Raises:
        CommandFailed: A process ended with an error; the message is its own.
        Cancelled: The job was cancelled; all processes have ended, or are about to.
        ProcessDied: A process died.
    """
    import ray

    order = GroupOrder(
        ray.get_runtime_context().gcs_address,
        program,
        dict(task),
        context.job_id,
        context.attempt,
        context.artifacts.url,
        processes,
        plugins=loaded_files(),
    )

    # In a file, since the driver is a process of its own that starts with Ray's address only.
    order.write(context.folder / ORDER)
    command.run(["service.kinds.ray_train", ORDER], context, processes.threads)


class GroupReports:
    """Sends the messages of a process to the driver.

    Args:
        queue: Ray's queue, which the driver reads.
    """

    def __init__(self, queue: Any):
        self._queue = queue

    def progress(self, progress: Progress) -> None:
        """Report the progress of the group."""
        self._queue.put(("progress", progress))

    def cancelled(self) -> bool:
        """Return False: the driver's end ends a cancelled process."""
        return False

    def failed(self, error: BaseException) -> None:
        """Report why this process cannot continue.

        The kind of the message is `failed` if the task cannot be done, `lost` if another process
        died, and `raised` for an error in the program.
        """
        refusal = explain_refused_write(str(error))
        # The task itself cannot be done: another attempt would end in the same way.
        if refusal is not None or isinstance(error, PathfitError):
            self._queue.put(("failed", refusal or str(error)))
            return

        text = " ".join(f"{type(error).__name__}: {error}".split())
        partner_died = any(word in text for word in _PARTNER_DIED)
        self._queue.put(("lost" if partner_died else "raised", text))


def run_process(config: Mapping[str, GroupOrder]) -> None:
    """Run a process of the group, as Ray Train calls it with torch's process group set up."""
    import ray.train

    order = config["order"]
    reports = GroupReports(order.queue)
    try:
        for path in order.plugins:
            load_file(path)
        module, _, name = order.program.partition(":")

        # Imported by name in each process, so that nothing but the order travels there.
        program: GroupProgram = getattr(import_module(module), name)
        with temporary_folder(attempt_name(order.job_id, order.attempt)) as folder:
            artifacts = Artifacts(order.artifacts)
            context = Context(order.job_id, order.attempt, folder, artifacts, reports)
            rank = ray.train.get_context().get_world_rank()
            program(order.task, context, rank, reports.failed)
    except BaseException as error:
        reports.failed(error)
        # Ray has to know as well that this process has failed.
        raise


def main() -> None:
    """Have Ray Train run the processes of an order, report their progress, and end as they do."""
    order = GroupOrder.read(Path(sys.argv[1]))

    # Before anything of ray is imported or started, so that all of it sees them.
    os.environ.update(_ENVIRONMENT)
    import ray
    from ray.exceptions import RayActorError
    from ray.train import TrainingFailedError
    from ray.util.queue import Queue

    command.report(CommandProgress(f"starting {order.processes.count} processes", 0.0, ""))
    ray.init(
        address=order.address,
        runtime_env={"env_vars": _ENVIRONMENT},
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=False,
    )
    order = replace(order, queue=Queue(actor_options={"num_cpus": 0}))
    # `fit` blocks until the end, so that messages are read in a thread.
    threading.Thread(target=_read_messages, args=(order.queue,), daemon=True).start()
    try:
        _trainer(order).fit()
    except (TrainingFailedError, RayActorError) as error:
        # Ray's text ends with the cause, after the tracebacks of all processes.
        reason = str(error).strip().splitlines()[-1]
        kind = "lost" if _is_death(error) else "raised"
        _exit(kind, f"Ray Train gave up: {reason}")

    _exit("done")


def _trainer(order: GroupOrder) -> Any:
    import ray.train
    import ray.train.torch

    # Ray's annotations describe the interface of an earlier version.
    train: Any = ray.train
    processes = order.processes
    resources = {"CPU": float(processes.threads)}
    if processes.gpu:
        resources["GPU"] = 1.0

    trainer: Any = ray.train.torch.TorchTrainer(
        run_process,
        train_loop_config={"order": order},
        scaling_config=train.ScalingConfig(
            num_workers=processes.count, use_gpu=processes.gpu, resources_per_worker=resources
        ),
        run_config=train.RunConfig(
            name="group",
            storage_path=str(Path.cwd() / "ray-train"),
            # A death ends the attempt, so that no process of an abandoned group can be mistaken for
            # one of the next group.
            failure_config=train.FailureConfig(
                max_failures=0, controller_failure_limit=_MAX_STARTS
            ),
        ),
    )

    # Without the actor that outlives this driver to free what Ray frees at the driver's end anyway:
    # without Ray's dashboard, which is not started, it would never end.
    default_callbacks = trainer._create_default_callbacks
    trainer._create_default_callbacks = lambda: [
        callback
        for callback in default_callbacks()
        if type(callback).__name__ != "PlacementGroupCleanerCallback"
    ]

    return trainer


def _read_messages(queue: Any) -> None:
    """Pass on progress; the first error of a process is the error of all, and ends them."""
    while True:
        kind, content = queue.get()
        if kind == "progress":
            command.report(content)
        else:
            _exit(kind, content)


def _is_death(error: BaseException) -> bool:
    """Return whether the death of a process, Ray Train's own included, caused an error."""
    from ray.exceptions import RayActorError

    failures = getattr(error, "worker_failures", {}).values()
    return any(isinstance(failure, RayActorError) for failure in (error, *failures))


def _exit(kind: str, reason: str = "") -> None:
    """End at once: Ray ends everything that this driver has started.

    Args:
        kind: `done`, or the kind of a message of `GroupReports.failed`.
        reason: Reason why the task is not done.
    """
    messages = {
        "failed": reason,
        "lost": f"lost one of its processes: {reason:.200}",
        "raised": f"internal error: {reason}",
    }
    if kind in messages:
        print(f"Error: {messages[kind]}")

    # `os._exit` flushes nothing.
    sys.stdout.flush()
    os._exit({"done": 0, "failed": 2, "lost": EXIT_LOST}.get(kind, 1))


if __name__ == "__main__":
    # Functions of this module travel to other processes by its name, which is not `__main__` there.
    from service.kinds.ray_train import main as main_by_name

    main_by_name()
