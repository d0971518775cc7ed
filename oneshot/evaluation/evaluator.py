"""Evaluating sub-networks of a supernet, all on the same images."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from oneshot.errors import InvalidRun
from oneshot.evaluation.device import find_device, free_bytes
from oneshot.evaluation.images import EvaluationImages
from oneshot.evaluation.metrics import metrics
from oneshot.evaluation.prefixes import Features, PrefixTree
from oneshot.evaluation.recalibration import recalibrate
from oneshot.evaluation.settings import EvaluationSettings
from spaces.modules.supernet import Supernet
from spaces.progress import Progress, silent
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.data.split import Split

BATCH = 250


@torch.no_grad()
def quality(model: nn.Module, split: Split, batch: int = BATCH) -> dict[str, float]:
    """Mean cross-entropy (nats), top-1 and top-5 (percent) of a model on a split, on the model's
    device.
    """
    model.eval()
    device = next((value.device for value in model.parameters()), torch.device("cpu"))
    return metrics(
        (model(images.to(device)), labels.to(device)) for images, labels in split.batches(batch)
    )


class Evaluator:
    """Evaluates architectures by the weights of a trained supernet.

    For each one the batch normalisation of its path is recalibrated in one pass over training
    images; then validation images are evaluated, the same ones for every architecture. A result
    depends on nothing that was evaluated before or is evaluated with it. Networks are not built
    anew and images are read once.

    Args:
        supernet: trained; it is moved to the device.
        data: images are drawn from its training and its validation part.
        settings: how many, and how.
        device: `cpu`, `gpu`, `gpu:1`, or `auto`: a GPU where there is one.
        budget: bytes of features that chains which begin alike may share; None: a quarter of what
            is free.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        settings: EvaluationSettings | None = None,
        *,
        device: str = "cpu",
        budget: int | None = None,
    ):
        self.settings = settings or EvaluationSettings()
        self.device = find_device(device)
        self.supernet: Supernet = supernet.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.supernet.eval()
        self.images = EvaluationImages.of(data, self.settings, self.device)
        self.budget = free_bytes(self.device) // 4 if budget is None else budget

    def evaluate(self, codes: Codes) -> dict[str, float]:
        """Metrics of one architecture, codes [choices]; see `stream`."""
        return self.evaluate_many(np.asarray(codes)[None])[0]

    def evaluate_many(self, codes: Codes, progress: Progress = silent) -> list[dict[str, float]]:
        """Metrics of many architectures, codes [n, choices], in their order; see `stream`."""
        found: dict[int, dict[str, float]] = {}
        for place, result in self.stream(codes):
            found[place] = result
            progress(len(found) / len(codes), f"{len(found)}/{len(codes)}")
        return [found[place] for place in range(len(codes))]

    def stream(self, codes: Codes) -> Generator[tuple[int, dict[str, float]], None, None]:
        """Place among codes [n, choices] and metrics of each architecture, as soon as they are
        known.

        The metrics are cross_entropy (nats), top1 and top5 (percent).

        Raises:
            InvalidRun: the outputs are not finite.
        """
        evaluated = self._evaluated(self.supernet.space.check(np.asarray(codes)))
        while True:
            # Not around the whole: between two results these contexts would hold for the caller
            # too.
            with torch.no_grad(), self._autocast():
                found = next(evaluated, None)
            if found is None:
                return
            places, result = found
            if not math.isfinite(result["cross_entropy"]):
                raise InvalidRun(
                    "the supernet's outputs are not finite: its training diverged; lower"
                    " --learning-rate"
                )
            yield from ((place, dict(result)) for place in places)

    def _evaluated(self, codes: Codes) -> Iterator[tuple[list[int], dict[str, float]]]:
        labels = self.images.labels
        if self.supernet.is_sequential:
            tree = PrefixTree(
                Features(self.images.recalibration, self.images.validation), self.budget
            )
            for places, outputs in tree.outputs([self._path(row) for row in codes]):
                yield places, metrics(zip(outputs, labels, strict=True))
        else:
            for place, row in enumerate(codes):
                recalibrate(self.supernet, self.images.recalibration, self._path(row))
                outputs = map(self.supernet, self.images.validation)
                yield [place], metrics(zip(outputs, labels, strict=True))

    def _path(self, codes: Codes) -> list[nn.Module]:
        self.supernet.activate(codes)
        return self.supernet.path()

    def _autocast(self) -> torch.autocast:
        precision = self.settings.precision
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
        return torch.autocast(self.device.type, dtype=kind, enabled=kind is not None)
