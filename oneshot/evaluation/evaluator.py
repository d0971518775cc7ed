"""Evaluator: metrics of a supernet's sub-networks, all on the same images."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from oneshot.algorithms.batch_statistics import by_batch
from oneshot.algorithms.episodes import adapted
from oneshot.errors import InvalidRun
from oneshot.evaluation.device import find_device, free_bytes
from oneshot.evaluation.images import EvaluationImages
from oneshot.evaluation.prefixes import Features, PrefixTree
from oneshot.evaluation.recalibration import recalibrate
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.evaluation.tallies import inputs_under, metrics_under, tally_of
from oneshot.tasks.classification import Classification
from oneshot.training.passes import Passes
from spaces.modules.supernet import Supernet
from spaces.progress import Progress, silent
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.data.split import Split
    from oneshot.perturbations.conditions import Conditions
    from oneshot.tasks.task import Task

BATCH = 250


@torch.no_grad()
def quality(
    model: nn.Module, split: Split, batch: int = BATCH, task: Task | None = None
) -> dict[str, float]:
    """Return the metrics of a model on a split, computed on the model's device.

    Args:
        model: Model of inputs [b, ...] -> outputs of the task; it is set to evaluation mode.
        split: Images with their targets.
        batch: Images per batch.
        task: Task that has the metrics; None: classification.

    Returns:
        Name -> value; of a classification the mean cross-entropy (nats), and top-1 and top-5
        accuracy (percent).
    """
    model.eval()
    device = next((value.device for value in model.parameters()), torch.device("cpu"))
    return tally_of(model, split.batches(batch), device, task).metrics()


class Evaluator:
    """Evaluates architectures with the weights of a trained supernet.

    The batch normalisation of each path is recalibrated in one pass over training images, before
    the path is evaluated on validation images; by option it has the statistics of each batch. All
    architectures have the same images. A result does not depend on the other architectures. No
    network is built, and images are read once.

    Args:
        supernet: Trained supernet, which is moved to the device.
        data: Data set whose training and validation images are sampled.
        settings: Number of images, precision and seed; None: the defaults.
        task: Task that has the metrics; None: classification.
        conditions: Perturbations under which architectures are evaluated as well; None: none.
        device: `cpu`, `gpu`, `gpu:1`, or `auto`: a GPU if the machine has one.
        budget: Bytes of features that paths with equal first layers may share; None: a quarter of
            the free memory.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        settings: EvaluationSettings | None = None,
        *,
        task: Task | None = None,
        conditions: Conditions | None = None,
        device: str = "cpu",
        budget: int | None = None,
    ):
        self.settings = settings or EvaluationSettings()
        self.task = task or Classification()
        self.conditions = None if conditions is None else conditions.for_data(data)
        self.device = find_device(device)
        self.supernet: Supernet = supernet.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.supernet.eval()
        self.images = EvaluationImages.from_data(data, self.settings, self.device)
        self.budget = free_bytes(self.device) // 4 if budget is None else budget

    def evaluate(self, codes: Codes) -> dict[str, float]:
        """Return the metrics of one architecture, codes [choices]; see `stream`."""
        return self.evaluate_many(np.asarray(codes)[None])[0]

    def evaluate_many(self, codes: Codes, progress: Progress = silent) -> list[dict[str, float]]:
        """Return the metrics of architectures, codes [n, choices], in their order; see `stream`."""
        results: dict[int, dict[str, float]] = {}
        for index, result in self.stream(codes):
            results[index] = result
            progress(len(results) / len(codes), f"{len(results)}/{len(codes)}")
        return [results[index] for index in range(len(codes))]

    def stream(self, codes: Codes) -> Generator[tuple[int, dict[str, float]], None, None]:
        """Yield the index and the metrics of each architecture as soon as it is evaluated.

        The metrics are those of the task; of a classification cross_entropy (nats), top1 and top5
        (percent).

        Args:
            codes: Codes [n, choices].

        Raises:
            InvalidRun: The outputs are not finite.
        """
        evaluated = self._evaluated(self.supernet.space.check(np.asarray(codes)))
        while True:
            # Not around the loop: between two results the contexts would affect the caller.
            with torch.no_grad(), self._autocast():
                item = next(evaluated, None)

            if item is None:
                return

            indices, result = item
            if not math.isfinite(result[self.task.score]):
                raise InvalidRun(
                    "the supernet's outputs are not finite: its training diverged; lower"
                    " --learning-rate"
                )

            yield from ((index, dict(result)) for index in indices)

    def _evaluated(self, codes: Codes) -> Iterator[tuple[list[int], dict[str, float]]]:
        if self.settings.surrogate_steps:
            for index, row in enumerate(codes):
                yield [index], self._metrics_of_surrogate(row)
            return
        if self.settings.statistics == "batch":
            for index, row in enumerate(codes):
                yield [index], self._metrics_by_batch(row)
            return

        # A perturbation of the model or a state from batch to batch belongs to one path, so that no
        # beginnings can be shared.
        perturbs_models = any(item.perturbation.uses_model for item in self.conditions or ())
        shares = not perturbs_models and not self.task.carries_state
        if self.supernet.is_sequential and shares:
            yield from self._evaluated_together(codes)
        else:
            for index, row in enumerate(codes):
                yield [index], self._metrics_recalibrated(row)

    def _metrics_by_batch(self, row: Codes) -> dict[str, float]:
        """Return the metrics of a path that normalises by the statistics of each batch."""
        self._path(row)
        with by_batch(self.supernet):
            return self._metrics()

    def _metrics_recalibrated(self, row: Codes) -> dict[str, float]:
        """Return the metrics of a path after the recalibration of its statistics."""
        recalibrate(self.supernet, self.images.recalibration, self._path(row), self.task)
        return self._metrics()

    def _metrics_of_surrogate(self, row: Codes) -> dict[str, float]:
        """Return the metrics of a path whose weights are trained for some updates first.

        The weights of the supernet are restored afterwards.
        """
        images = self.images
        weights = [weight for module in self._path(row) for weight in module.parameters()]
        batches = itertools.cycle(
            zip(images.recalibration, images.recalibration_targets, strict=True)
        )
        passes = Passes(self.task)

        def loss() -> Tensor:
            inputs, targets = next(batches)
            # Evaluations compute no gradients, but these updates need them.
            with torch.enable_grad(), by_batch(self.supernet):
                outputs = passes.from_start(self.supernet, inputs)
                return self.task.loss(outputs, targets)

        groups = [(weights, self.settings.surrogate_learning_rate)]
        with adapted(loss, groups, self.settings.surrogate_steps):
            if self.settings.statistics == "batch":
                return self._metrics_by_batch(row)
            return self._metrics_recalibrated(row)

    def _metrics(self) -> dict[str, float]:
        """Return the metrics of the active path, under the conditions if there are any."""
        batches = list(zip(self.images.validation, self.images.targets, strict=True))
        if self.conditions is None:
            return tally_of(self.supernet, batches, self.device, self.task).metrics()
        return metrics_under(
            self.supernet,
            batches,
            self.device,
            self.task,
            self.conditions,
            self.settings.seed,
            self.images.recalibration,
        )

    def _evaluated_together(self, codes: Codes) -> Iterator[tuple[list[int], dict[str, float]]]:
        """Evaluate paths under conditions that change inputs alone, with common beginnings once."""
        images = self.images
        names: list[Callable[[str], str]] = [str]
        sets = [images.validation]
        if self.conditions is not None:
            evaluated = self.conditions.evaluated()
            names = [condition.metric for condition in evaluated]
            seed = self.settings.seed
            sets = inputs_under(images.validation, self.task, self.conditions, seed)

        validation = [inputs for perturbed in sets for inputs in perturbed]
        tree = PrefixTree(Features(images.recalibration, validation), self.budget)
        for indices, outputs in tree.outputs([self._sequence(row) for row in codes]):
            remaining = iter(outputs)
            metrics: dict[str, float] = {}
            for name in names:
                tally = self.task.tally(self.device)
                for targets in images.targets:
                    tally.add(next(remaining), targets)
                metrics |= {name(key): value for key, value in tally.metrics().items()}

            assert next(remaining, None) is None, "every output belongs to a condition"
            yield indices, metrics

    def _path(self, codes: Codes) -> list[nn.Module]:
        self.supernet.activate(codes)
        return self.supernet.path()

    def _sequence(self, codes: Codes) -> list[nn.Module]:
        self.supernet.activate(codes)
        return self.supernet.sequence()

    def _autocast(self) -> torch.autocast:
        precision = self.settings.precision
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
        return torch.autocast(self.device.type, dtype=kind, enabled=kind is not None)
