"""Evaluating a run's sub-networks, by this process or by many, with what is recorded of how it was
done.
"""

from __future__ import annotations

import sys
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
from oneshot.run import Run, read_run
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.evaluation.evaluator import Evaluator

LARGEST_SHARE = 64
"""Architectures that a process is given at a time, at most."""


@dataclass
class SupernetWork:
    """Evaluates codes [n][choices] by a run's supernet; loads it once in each process.

    Args:
        folder: of the run.
        settings: of the evaluation.
        device: as `Evaluator` takes it.
        threads: of torch, in each process. The last digits of a result depend on them.
        workers: how many processes share this machine's memory.
        plugins: files that register the run's space.
    """

    folder: str
    settings: EvaluationSettings
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    plugins: tuple[str, ...] = ()

    @cached_property
    def evaluator(self) -> Evaluator:
        """The supernet with its images."""
        from spaces.plugins import load_file

        for plugin in self.plugins:
            load_file(plugin)
        run = read_run(self.folder, "supernet")
        return load_evaluator(
            run, run.data(), self.settings, self.device, self.threads, self.workers
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
) -> Evaluator:
    """The evaluator of a run's supernet; for the arguments see `SupernetWork`."""
    import torch

    from oneshot.evaluation.evaluator import Evaluator
    from spaces.modules.supernet import Supernet

    torch.set_num_threads(threads)
    supernet = run.load()
    assert isinstance(supernet, Supernet)
    evaluator = Evaluator(supernet, data, settings, device=device)
    evaluator.budget //= workers
    return evaluator


@dataclass(frozen=True)
class SupernetEvaluation:
    """How architectures are evaluated by a run's supernet.

    Args:
        run: of kind `supernet`.
        settings: what decides the results.
        device: `cpu`, `gpu`, `gpu:1` or `auto`.
        threads: of torch, in each process.
        engine: see `oneshot.parallel.fanout`.
        workers: processes; None: as many as the processor has cores for.
        address: of a running Ray cluster, which must see the run's folder and its data at the same
            paths.

    Raises:
        InvalidOption: there is no such device, or there can be no such processes.
    """

    run: Run
    settings: EvaluationSettings
    device: str = "cpu"
    threads: int = 1
    engine: str = "local"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        from oneshot.evaluation.device import find_device

        Fanout(len, self.engine, self.workers)  # refuses what makes no sense
        if self.engine == "local":
            find_device(self.device)
        elif ":" in self.device:
            raise InvalidOption(
                f"with the engine {self.engine} a device has no number: not {self.device!r}"
            )

    @cached_property
    def data(self) -> ImageData:
        """The run's data set."""
        return self.run.data()

    def source(self) -> dict[str, Any]:
        """What an evaluation records of how it was obtained."""
        data, settings = self.data, self.settings
        size = min(settings.recalibration_batch_size, len(data.train))
        batches = min(settings.recalibration_batches, len(data.train) // size)
        return {
            "kind": "supernet",
            "run": str(self.run.folder),
            "weights": self.run.weights_digest(),
            "data": data.title,
            "data_digest": data.digest[:16],
            "images": min(settings.images, len(data.validation)),
            "recalibration_batches": batches,
            "recalibration_batch_size": size,
            "seed": settings.seed,
            "precision": settings.precision,
        }

    def stream(self, codes: Codes) -> Generator[tuple[int, dict[str, float]], None, None]:
        """Place among codes [n, choices] and metrics of each architecture, as they come.

        Raises:
            InvalidRun: the supernet's outputs are not finite.
            ItemFailed: the same, of another process.
        """
        if self.engine == "local":
            evaluator = load_evaluator(
                self.run, self.data, self.settings, self.device, self.threads
            )
            yield from evaluator.stream(codes)
        elif len(codes):
            yield from self._fanned_out(codes)

    def _fanned_out(self, codes: Codes) -> Generator[tuple[int, dict[str, float]], None, None]:
        import os

        from oneshot.evaluation.device import find_device

        device = find_device("auto").type if self.device == "auto" else self.device
        workers = self.workers or max(1, (os.cpu_count() or 1) // self.threads)
        # Neighbours in this order begin alike, which saves their process work.
        order = np.lexsort(codes.T[::-1])
        size = max(1, min(LARGEST_SHARE, -(-len(codes) // (4 * workers))))
        shares = [order[begin : begin + size] for begin in range(0, len(order), size)]
        fanout = Fanout(
            self._work(device, workers),
            self.engine,
            self.workers,
            Resources(self.threads, 0 if device == "cpu" else 1),
            name=lambda share: (
                f"a share of {len(share)} architectures, the first with codes {share[0]}"
            ),
            address=self.address,
        )
        with closing(fanout.ordered([codes[share].tolist() for share in shares])) as results:
            for share, found in zip(shares, results, strict=True):
                yield from zip(share.tolist(), found, strict=True)

    def _work(self, device: str, workers: int) -> SupernetWork:
        plugins = [
            module.__file__
            for name, module in sys.modules.items()
            if name.startswith("pathfit_plugin_")
        ]
        folder = str(self.run.folder.resolve())
        return SupernetWork(
            folder, self.settings, device, self.threads, workers, tuple(filter(None, plugins))
        )
