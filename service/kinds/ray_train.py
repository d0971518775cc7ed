"""Part of a job in several processes by Ray Train: `python -m service.kinds.command
service.kinds.ray_train ORDER`.

The program below is a Ray driver of its own. Ray ends what a driver has started when that driver
ends, however it does: so cancelling, or the death of the worker whose job it is, ends every process
of the group, on whichever machine.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from service.artifacts import Artifacts
from service.kinds import command
from service.kinds.base import Context, refusal
from spaces.errors import PathfitError
from spaces.files import write_text

ORDER = "order.json"

Part = Callable[[Mapping[str, Any], Context, int, Callable[[PathfitError], object]], None]
"""What each process runs: task, context, number of the process, who hears of an error of its
threads.
"""

_ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    # A process whose partners have died waits for them; it is not waited for in turn.
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "2",
    # Actors and files for Ray's dashboard, which nobody looks at.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
}

_MOST_STARTS = 10  # of 60 seconds each, in which there may be room for all processes
_PARTNER_DIED = ("gloo", "nccl", "Connection closed by peer", "Connection reset by peer")


@dataclass(frozen=True)
class Processes:
    """What trains together.

    Args:
        count: how many.
        threads: of each, with a core each.
        gpu: whether each has a GPU.
    """

    count: int
    threads: int
    gpu: bool


def run(part: str, task: Mapping[str, Any], context: Context, processes: Processes) -> None:
    """Run a part of a job in several processes, and wait for all.

    Args:
        part: `module:function` of a Part.
        task: the job's.
        context: of the attempt; the processes share its artifacts, and have a folder each.
        processes: how many, and what each takes.

    Raises:
        CommandFailed: one ended with an error; the sentence is its own.
        Cancelled: as asked; all have ended, or are about to.
        Lost: one of them died.
    """
    import ray

    order = {
        "address": ray.get_runtime_context().gcs_address,
        "part": part,
        "task": dict(task),
        "job": context.job_id,
        "attempt": context.attempt,
        "artifacts": context.artifacts.url,
        "processes": asdict(processes),
    }
    write_text(context.folder / ORDER, json.dumps(order))
    command.run(["service.kinds.ray_train", ORDER], context, processes.threads)


class Told:
    """Takes what a process tells to the driver.

    Args:
        queue: Ray's, which the driver reads.
    """

    def __init__(self, queue: Any):
        self._queue = queue

    def progress(self, numbers: dict[str, Any]) -> None:
        """Tell how far all are."""
        self._queue.put(("progress", numbers))

    def cancelled(self) -> bool:
        """No: who is no longer wanted is ended."""
        return False

    def failed(self, error: BaseException) -> None:
        """Tell why this process cannot go on: a sentence, a partner's death, or what should not
        have happened.
        """
        refused = refusal(str(error), tempfile.gettempdir())
        if refused is not None or isinstance(error, PathfitError):
            self._queue.put(("failed", refused or str(error)))
            return
        text = " ".join(f"{type(error).__name__}: {error}".split())
        self._queue.put(("lost" if any(word in text for word in _PARTNER_DIED) else "raised", text))


def take_part(order: Mapping[str, Any]) -> None:
    """What Ray Train runs in each process, torch's process group being made."""
    import ray.train

    told = Told(order["queue"])
    try:
        module, _, name = order["part"].partition(":")
        part: Part = getattr(import_module(module), name)
        with tempfile.TemporaryDirectory(prefix="pathfit-", ignore_cleanup_errors=True) as folder:
            context = Context(
                order["job"], order["attempt"], Path(folder), Artifacts(order["artifacts"]), told
            )
            part(order["task"], context, ray.train.get_context().get_world_rank(), told.failed)
    except BaseException as error:
        told.failed(error)
        raise


def main() -> None:
    """Have Ray Train run the processes of an order, tell their progress, and end as they do."""
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.environ.update(_ENVIRONMENT)
    import ray
    from ray.exceptions import RayActorError
    from ray.train import TrainingFailedError
    from ray.util.queue import Queue

    processes = Processes(**order["processes"])
    command.tell({"share": 0.0, "stage": f"starting {processes.count} processes", "state": ""})
    ray.init(
        address=order["address"],
        runtime_env={"env_vars": _ENVIRONMENT},
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=False,
    )
    queue = Queue(actor_options={"num_cpus": 0})
    threading.Thread(target=_listen, args=(queue,), daemon=True).start()
    try:
        _trainer({**order, "queue": queue}, processes).fit()
    except (TrainingFailedError, RayActorError) as error:
        reason = str(error).strip().splitlines()[-1]
        _end("lost" if _died(error) else "raised", f"Ray Train gave up: {reason}")
    _end("done")


def _trainer(order: Mapping[str, Any], processes: Processes) -> Any:
    import ray.train
    import ray.train.torch

    train: Any = ray.train  # whose names for type checkers are those of the version before
    each = {"CPU": float(processes.threads), **({"GPU": 1.0} if processes.gpu else {})}
    trainer: Any = ray.train.torch.TorchTrainer(
        take_part,
        train_loop_config=dict(order),
        scaling_config=train.ScalingConfig(
            num_workers=processes.count, use_gpu=processes.gpu, resources_per_worker=each
        ),
        run_config=train.RunConfig(
            name="group",
            storage_path=str(Path.cwd() / "ray-train"),
            # A death ends the attempt, so that nothing of a group that is given up can be taken for
            # the next one's.
            failure_config=train.FailureConfig(
                max_failures=0, controller_failure_limit=_MOST_STARTS
            ),
        ),
    )
    all_callbacks = trainer._create_default_callbacks
    # Not the actor that outlives this driver to free what Ray frees at its end anyway: without
    # Ray's dashboard, which
    # is not started, it would never end.
    trainer._create_default_callbacks = lambda: [
        callback
        for callback in all_callbacks()
        if type(callback).__name__ != "PlacementGroupCleanerCallback"
    ]
    return trainer


def _listen(queue: Any) -> None:
    """Tell progress on; the first error of a process is the error of all, and ends them."""
    while True:
        kind, what = queue.get()
        if kind == "progress":
            command.tell(what)
        else:
            _end(kind, what)


def _died(error: BaseException) -> bool:
    """Whether it was for the death of a process, Ray Train's own among them."""
    from ray.exceptions import RayActorError

    failures = getattr(error, "worker_failures", {}).values()
    return any(isinstance(failure, RayActorError) for failure in (error, *failures))


def _end(kind: str, reason: str = "") -> None:
    """End at once: Ray ends what this driver has started.

    Args:
        kind: `done`, `failed` (what was asked for cannot be done), `lost` (a process died), or
            `raised` (a mistake).
        reason: why it is not done.
    """
    said = {
        "failed": reason,
        "lost": f"lost one of its processes: {reason:.200}",
        "raised": f"internal error: {reason}",
    }
    if kind in said:
        print(f"Error: {said[kind]}")
    sys.stdout.flush()
    os._exit({"done": 0, "failed": 2, "lost": command.LOST}.get(kind, 1))


if __name__ == "__main__":
    # Functions of this module travel to other processes by its name, which is not `__main__` there.
    from service.kinds.ray_train import main as as_imported

    as_imported()
