"""Evaluation of a run's sub-networks in this process or in many."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from oneshot.errors import InvalidOption
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.parallel.fanout import Fanout
from oneshot.parallel.outcome import Resources
from oneshot.perturbations.conditions import Conditions, conditional_metrics
from oneshot.run import Run, read_run
from oneshot.tasks.registry import canonical, make_task
from spaces.plugins.loading import loaded_files
from spaces.space import Codes
from tables.metrics import QUALITIES

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.evaluation.evaluator import Evaluator
    from oneshot.tasks.task import Task

LARGEST_CHUNK = 64
"""Maximum number of architectures that a process evaluates as one item."""


@dataclass
class SupernetWork:
    """Function of codes [n][choices] that evaluates them by a run's supernet.

    Each process loads the supernet once.

    Args:
        folder: Folder of the run.
        settings: Settings of the evaluation.
        device: Device as in `Evaluator`.
        threads: Number of torch's threads per process; the last digits of results depend on it.
        workers: Number of processes that share this machine's memory.
        plugins: Files that register the run's space and task.
        task: Task that has the metrics, with its options; None: that of the run.
        under: Perturbations of the evaluation with their weights.
    """

    folder: str
    settings: EvaluationSettings
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    plugins: tuple[str, ...] = ()
    task: str | None = None
    under: tuple[str, ...] = ()

    @cached_property
    def evaluator(self) -> Evaluator:
        """Evaluator of the run's supernet."""
        from spaces.plugins import load_file

        for plugin in self.plugins:
            load_file(plugin)
        run = read_run(self.folder, "supernet")
        task = run.task if self.task is None else make_task(self.task, run.space)
        return load_evaluator(
            run,
            run.data(),
            self.settings,
            self.device,
            self.threads,
            self.workers,
            task,
            Conditions.parse(self.under) if self.under else None,
        )

    def __call__(self, codes: list[list[int]]) -> list[dict[str, float]]:
        return self.evaluator.evaluate_many(np.array(codes))


def load_evaluator(
    run: Run,
    data: ImageData,
    settings: EvaluationSettings,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
    task: Task | None = None,
    conditions: Conditions | None = None,
) -> Evaluator:
    """Load the evaluator of a run's supernet.

    Args:
        run: Run of a trained supernet.
        data: Data set of the run.
        settings: Settings of the evaluation.
        device: Device as in `Evaluator`.
        threads: Number of torch's threads.
        workers: Number of processes that share this machine's memory.
        task: Task that has the metrics; None: that of the run.
        conditions: Perturbations of the evaluation; None: none.
    """
    import torch

    from oneshot.evaluation.evaluator import Evaluator
    from spaces.modules.supernet import Supernet

    torch.set_num_threads(threads)
    supernet = run.load()
    assert isinstance(supernet, Supernet)
    evaluator = Evaluator(
        supernet, data, settings, task=task or run.task, conditions=conditions, device=device
    )
    evaluator.budget //= workers
    return evaluator


@dataclass(frozen=True)
class SupernetEvaluation:
    """Evaluation of architectures by a run's supernet.

    Args:
        run: Run of a trained supernet.
        settings: Settings that define the results.
        device: `cpu`, `gpu`, `gpu:1` or `auto`.
        threads: Number of torch's threads in each process.
        engine: `local` or `ray`; see `oneshot.parallel.fanout`.
        workers: Number of processes; None: as many as the processor has cores for.
        address: Address of a running Ray cluster, which must have the run's folder and its data at
            the same paths; None: this machine.
        task: Task that has the metrics, with its options; None: that of the run.
        under: Perturbations with their weights, such as `clean=0.5`; empty: none.

    Raises:
        UnknownName: There is no such task.
        InvalidOption: There is no such device, there cannot be such processes, or the run's space
            lacks the task's head.
    """

    run: Run
    settings: EvaluationSettings
    device: str = "cpu"
    threads: int = 1
    engine: str = "local"
    workers: int | None = None
    address: str | None = None
    task: str | None = None
    under: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        from oneshot.evaluation.device import find_device

        Conditions.parse(self.under)
        make_task(self.task_name, self.run.space)

        # Made to check the engine and the number of processes.
        Fanout(len, self.engine, self.workers)
        if self.engine == "local":
            find_device(self.device)
        elif ":" in self.device:
            raise InvalidOption(
                f"with the engine {self.engine} a device has no number: not {self.device!r}"
            )

    @property
    def task_name(self) -> str:
        """Canonical name of the task, with its options."""
        return self.run.settings.task if self.task is None else canonical(self.task)

    @cached_property
    def metrics_task(self) -> Task:
        """Task that has the metrics."""
        return make_task(self.task_name, self.run.space)

    @cached_property
    def conditions(self) -> Conditions | None:
        """Perturbations of the evaluation; None: none."""
        return Conditions.parse(self.under) if self.under else None

    @cached_property
    def data(self) -> ImageData:
        """Data set of the run."""
        return self.run.data()

    def source(self) -> dict[str, Any]:
        """Return the origin that an evaluation records."""
        data = self.data
        settings = self.settings
        size = min(settings.recalibration_batch_size, len(data.train))
        batches = min(settings.recalibration_batches, len(data.train) // size)
        return {
            "kind": "supernet",
            "run": str(self.run.folder),
            "weights": self.run.weights_digest(),
            "task": self.task_name,
            "data": data.title,
            "data_digest": data.digest[:16],
            "images": min(settings.images, len(data.validation)),
            "recalibration_batches": batches,
            "recalibration_batch_size": size,
            "seed": settings.seed,
            "precision": settings.precision,
            **self._own_metrics(),
        }

    def _own_metrics(self) -> dict[str, Any]:
        """Return the conditions, and the metrics that other packages do not know."""
        conditions = () if self.conditions is None else self.conditions.evaluated()
        metrics = {
            name: metric.to_dict()
            for name, metric in conditional_metrics(self.metrics_task.metrics, conditions).items()
            if name not in QUALITIES
        }
        source: dict[str, Any] = {"under": list(self.under)} if self.under else {}
        return source | ({"metrics": metrics} if metrics else {})

    def load_evaluator(self) -> Evaluator:
        """Load the evaluator of this process."""
        return load_evaluator(
            self.run,
            self.data,
            self.settings,
            self.device,
            self.threads,
            task=self.metrics_task,
            conditions=self.conditions,
        )

    def stream(self, codes: Codes) -> Generator[tuple[int, dict[str, float]], None, None]:
        """Yield the index and the metrics of each architecture as soon as it is evaluated.

        Args:
            codes: Codes [n, choices].

        Raises:
            InvalidRun: The supernet's outputs are not finite.
            ItemFailed: The same error in another process.
        """
        if self.engine == "local":
            yield from self.load_evaluator().stream(codes)
        elif len(codes):
            yield from self._distributed(codes)

    def _distributed(self, codes: Codes) -> Generator[tuple[int, dict[str, float]], None, None]:
        import os

        from oneshot.evaluation.device import find_device

        device = find_device("auto").type if self.device == "auto" else self.device
        workers = self.workers or max(1, (os.cpu_count() or 1) // self.threads)

        # Neighbours in this order have equal first layers, which their process computes once.
        order = np.lexsort(codes.T[::-1])
        size = max(1, min(LARGEST_CHUNK, -(-len(codes) // (4 * workers))))
        chunks = [order[begin : begin + size] for begin in range(0, len(order), size)]
        fanout = Fanout(
            self._work(device, workers),
            self.engine,
            self.workers,
            Resources(self.threads, 0 if device == "cpu" else 1),
            name=lambda chunk: (
                f"a share of {len(chunk)} architectures, the first with codes {chunk[0]}"
            ),
            address=self.address,
        )
        with closing(fanout.ordered([codes[chunk].tolist() for chunk in chunks])) as results:
            for chunk, metrics in zip(chunks, results, strict=True):
                yield from zip(chunk.tolist(), metrics, strict=True)

    def _work(self, device: str, workers: int) -> SupernetWork:
        folder = str(self.run.folder.resolve())
        return SupernetWork(
            folder,
            self.settings,
            device,
            self.threads,
            workers,
            loaded_files(),
            self.task_name,
            self.under,
        )
