"""Scores of smaller networks without training: validation loss after recalibration."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidRun
from oneshot.evaluation.images import EvaluationImages
from oneshot.evaluation.recalibration import recalibrate
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.evaluation.tallies import tally_of
from oneshot.training.passes import Passes
from spaces.progress import Progress, silent
from tables.evaluation import Evaluation, Journal

if TYPE_CHECKING:
    from oneshot.compression.settings import CompressionSettings
    from oneshot.compression.sizes import SizedData
    from oneshot.data.images import ImageData
    from oneshot.tasks.task import Task
    from spaces.elastic.importance import Losses
    from spaces.elastic.space import ElasticSpace
    from spaces.space import Codes

# Images per batch of a recalibration.
_RECALIBRATION_BATCH = 128

# Images per batch of the losses that order channels.
_IMPORTANCE_BATCH = 64


class Scorer:
    """Scores networks of a space on the same images.

    Args:
        space: Space of the networks.
        data: Data set whose training and validation images are used, at each network's input size.
        task: Task that has the score.
        settings: Number of images.
        path: File of JSON lines, which holds the scores so far.
        source: Record of the weights, with which the scores belong together.

    Attributes:
        seconds: Seconds that each score of this process has taken.

    Raises:
        InvalidRun: The file has scores of other weights or images.
    """

    def __init__(
        self,
        space: ElasticSpace,
        data: SizedData,
        task: Task,
        settings: CompressionSettings,
        path: Path,
        source: dict[str, Any],
    ):
        self.space = space
        self.task = task
        # Each score records its source: scores of other weights or images are not comparable.
        self.source = {
            "kind": "supernet",
            "metrics": {name: metric.to_dict() for name, metric in task.metrics.items()},
            "images": settings.images,
            "recalibration": settings.recalibration,
            **source,
        }
        self._settings = EvaluationSettings(
            images=settings.images,
            recalibration_batches=max(1, settings.recalibration // _RECALIBRATION_BATCH),
            recalibration_batch_size=_RECALIBRATION_BATCH,
            seed=settings.seed,
        )
        self._data = data
        # Before the first score, so that missing images are an error at once.
        self._images = {space.input_shape: self._read(space.input_shape)}
        self._recalibrates = settings.recalibration > 0
        self.seconds: list[float] = []

        self._journal = Journal(path, space.name)
        for done in self._journal.done:
            if dict(done.source) != self.source:
                raise InvalidRun(f"{path} has scores of other weights or images; remove it")
        self._done = {done.architecture: done for done in self._journal.done}

    def scores(self, codes: Codes, progress: Progress = silent) -> list[float]:
        """Return the scores [n] of codes [n, choices], greater is better."""
        metric = self.task.metrics[self.task.score]
        scores = []
        for number, architecture in enumerate(self.space.decode(codes), 1):
            if architecture not in self._done:
                begin = time.monotonic()
                network = self.space.network(architecture)
                images = self._images_of(self.space.input_shape_of(architecture))
                evaluation = Evaluation(architecture, self._evaluate(network, images), self.source)
                # Stored at once, so that an interrupted compression resumes from here.
                self._journal.append(evaluation)
                self._done[architecture] = evaluation
                self.seconds.append(time.monotonic() - begin)

            # The sign makes greater better, also of a loss.
            scores.append(metric.sign * self._done[architecture].metrics[self.task.score])
            progress(number / len(codes), f"{number}/{len(codes)}")
        return scores

    def _images_of(self, shape: tuple[int, int, int]) -> EvaluationImages:
        if shape not in self._images:
            self._images[shape] = self._read(shape)
        return self._images[shape]

    def _read(self, shape: tuple[int, int, int]) -> EvaluationImages:
        data = self._data.at(shape)
        return EvaluationImages.from_data(data, self._settings, torch.device("cpu"))

    def _evaluate(self, network: nn.Module, images: EvaluationImages) -> dict[str, float]:
        # Statistics of normalisation are those of the original, whose inputs had more channels.
        if self._recalibrates:
            recalibrate(network, images.recalibration, task=self.task)

        network.eval()
        batches = zip(images.validation, images.targets, strict=True)
        return tally_of(network, batches, torch.device("cpu"), self.task).metrics()


def training_losses(data: ImageData, task: Task, images: int, seed: int) -> Losses | None:
    """Return the losses by which channels are ordered; None: they are ordered by their weights.

    Args:
        data: Data set, whose training images are used.
        task: Task of the network.
        images: Number of images; 0: none.
        seed: Seed of the sample.
    """
    if not images:
        return None

    # A small data set has no full batch.
    size = min(_IMPORTANCE_BATCH, len(data.train))

    def losses(network: nn.Module) -> Iterable[Tensor]:
        # The seed is fixed, so that each call has the same images.
        loader = data.train.epochs(size, seed)
        return _losses(network, loader, task, max(1, images // size))

    return losses


def _losses(network: nn.Module, loader: Any, task: Task, batches: int) -> Iterator[Tensor]:
    passes = Passes(task)
    for number, (inputs, targets) in enumerate(loader):
        # The sample may be smaller than the data set.
        if number == batches:
            return

        loss, _ = passes.loss(network, inputs, partial(task.loss, targets=targets))
        yield loss
