"""Segmentation: one class for each pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional

from oneshot.data.scenes.views import IGNORED
from oneshot.errors import InvalidOption
from oneshot.tasks.gathering import gathered
from oneshot.tasks.lovasz import lovasz_softmax
from oneshot.tasks.registry import register_task
from oneshot.tasks.resampling import percentile_interval, resampled
from oneshot.tasks.tally import MeanTally, Tally
from oneshot.tasks.task import Task
from tables.metrics import Metric

if TYPE_CHECKING:
    from oneshot.data.images import ImageData


@register_task("segmentation")
class Segmentation(Task):
    """One class for each pixel: cross-entropy, and mean IoU over the whole set.

    Outputs are logits [b, classes, height, width], targets are masks [b, height, width] whose
    pixels of the value 255 count neither in the loss nor in the metrics.

    Args:
        ignore: A further class whose pixels do not count, and which is never predicted; -1: none.
        lovasz: Weight of the Lovász-softmax loss, a surrogate of the IoU that small classes count
            in as much as large ones, next to the cross-entropy's 1.

    Raises:
        InvalidOption: `ignore` is below -1, or `lovasz` below 0.

    Example:
        >>> import torch
        >>> logits = torch.zeros(1, 2, 1, 2)
        >>> Segmentation().loss(logits, torch.tensor([[[1, 255]]])).item()
        0.6931471824645996
    """

    head = "mask"
    metrics: ClassVar[Mapping[str, Metric]] = {
        "miou": Metric("percent", higher_is_better=True, title="mean IoU"),
        "pixel_accuracy": Metric("percent", higher_is_better=True, title="pixel accuracy"),
        "cross_entropy": Metric("nats", title="cross-entropy"),
    }
    distils = True
    has_pictures = True

    def __init__(self, *, ignore: int = -1, lovasz: float = 0.0):
        if ignore < -1:
            raise InvalidOption(f"ignore must be a class, or -1 for none, not {ignore}")
        if not 0 <= lovasz < math.inf:
            raise InvalidOption(f"lovasz must be a weight from 0 on, not {lovasz}")
        self.ignore = ignore
        self.lovasz = lovasz

    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the mean over images of their losses over the pixels that count.

        So the mean over two processes is that of one with both batches.
        """
        pixels = self.counted(targets)
        losses = functional.cross_entropy(
            outputs, pixels, ignore_index=IGNORED, label_smoothing=smoothing, reduction="none"
        )
        # The mean of an image without any class would be NaN.
        counts = (pixels != IGNORED).flatten(1).sum(1).clamp(min=1)
        of_images = losses.flatten(1).sum(1) / counts
        if self.lovasz:
            of_images = of_images + self.lovasz * lovasz_softmax(outputs, pixels)
        return of_images.mean()

    def tally(self, device: torch.device) -> Tally:
        """Return an empty tally of the metrics."""
        return _Tally(self)

    def monitor(self, device: torch.device) -> Tally:
        """Return an empty tally of the mean fraction of correct pixels of an image, in percent."""
        return MeanTally(
            lambda outputs, targets: {"pixel_accuracy": 100 * self.rewards(outputs, targets)},
            device,
        )

    def rewards(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the fraction of each image's pixels whose class is predicted, float [b]."""
        pixels = self.counted(targets)
        correct = (self.predictions(outputs) == pixels).flatten(1).sum(1)
        return correct / (pixels != IGNORED).flatten(1).sum(1).clamp(min=1)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the predicted class of each pixel, int64 [b, height, width]."""
        if self.ignore >= 0:
            outputs = outputs.clone()
            outputs[:, self.ignore] = -torch.inf
        return outputs.argmax(1)

    def found_targets(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the predicted masks; pixels outside the image stay `IGNORED`."""
        return self.predictions(outputs).cpu().masked_fill(targets == IGNORED, IGNORED)

    def check(self, data: ImageData) -> None:
        """Check that the targets are masks.

        Raises:
            InvalidOption: They are not integers [b, height, width], or `ignore` is no class.
        """
        masks = data.train.tensors([0])[1]
        if not (isinstance(masks, Tensor) and masks.ndim == 3 and not masks.is_floating_point()):
            raise InvalidOption(
                f"task: segmentation needs a mask for each image, which {data.title} does not have"
            )
        if self.ignore >= data.num_classes:
            raise InvalidOption(
                f"ignore must be a class of {data.title}, which has {data.num_classes}, not"
                f" {self.ignore}"
            )

    def soft_targets(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return a teacher's probabilities [b, classes, height, width]."""
        return outputs.detach().softmax(1)

    def distillation_loss(self, outputs: Tensor, soft: Tensor) -> Tensor:
        """Return the mean cross-entropy of all pixels with a teacher's probabilities."""
        return functional.cross_entropy(outputs, soft)

    def counted(self, targets: Tensor) -> Tensor:
        """Return the masks with all pixels that do not count as `IGNORED`."""
        pixels = targets.long()
        return pixels.masked_fill(pixels == self.ignore, IGNORED) if self.ignore >= 0 else pixels


class _Tally(Tally):
    """Pixels of each class in each image: common, predicted and true, and the summed loss.

    They are the margins of the confusion matrix, of which the IoU needs no more. Images are kept
    apart for intervals over images.
    """

    def __init__(self, task: Segmentation):
        self.task = task
        self._counts: list[Tensor] = []
        self._losses: list[Tensor] = []

    @torch.no_grad()
    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Add logits [b, classes, height, width] and masks [b, height, width]."""
        classes = outputs.shape[1]
        masks = self.task.counted(targets)
        pixels = (masks != IGNORED).sum()
        loss = functional.cross_entropy(outputs, masks, ignore_index=IGNORED, reduction="sum")
        self._losses.append(torch.stack([loss, pixels]).double())
        for image, mask in zip(self.task.predictions(outputs), masks, strict=True):
            valid = mask != IGNORED
            predicted = image[valid]
            true = mask[valid]
            common = true[predicted == true]
            counts = [torch.bincount(row, minlength=classes) for row in (common, predicted, true)]
            self._counts.append(torch.stack(counts))

    def merge(self) -> None:
        """Gather the images of all processes."""
        self._counts = [count for part in gathered(self._counts) for count in part]
        self._losses = [loss for part in gathered(self._losses) for loss in part]

    def metrics(self) -> dict[str, float]:
        """Return the three metrics."""
        if not self._counts:
            return {}
        counts = self._images().sum(0)
        loss, pixels = torch.stack(self._losses).sum(0).tolist()
        return {
            "miou": 100 * float(np.nanmean(_ious(counts))),
            "pixel_accuracy": 100 * float(counts[0].sum() / max(1, counts[2].sum())),
            "cross_entropy": loss / max(1, pixels),
        }

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95% interval of the mean IoU over samples of images with replacement."""
        if len(self._counts) < 2:
            return {}
        return {"miou": percentile_interval(self.score_samples(resampled(self.num_images)))}

    @property
    def num_images(self) -> int:
        """Number of images."""
        return len(self._counts)

    def score_samples(self, weights: np.ndarray) -> np.ndarray:
        """Return the mean IoU of samples of images in percent.

        Args:
            weights: How often each image is in each sample [samples, images].

        Returns:
            Values [samples].
        """
        images = self._images()
        sums = weights @ images.reshape(len(images), -1)
        means: np.ndarray = np.nanmean(_ious(sums.reshape(-1, *images.shape[1:])), axis=-1)
        return 100 * means

    def details(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return the IoU of each class in percent; None: the set has no pixel of it."""
        if not self._counts:
            return {}
        ious = _ious(self._images().sum(0))
        names = classes or [str(number) for number in range(len(ious))]
        return {
            "iou": {
                name: None if np.isnan(iou) else 100 * float(iou)
                for name, iou in zip(names, ious, strict=True)
            }
        }

    def _images(self) -> np.ndarray:
        """Return the counts of each image, float64 [n, 3, classes]."""
        counts: np.ndarray = torch.stack(self._counts).cpu().double().numpy()
        return counts


def _ious(counts: np.ndarray) -> np.ndarray:
    """Return the IoU of each class, NaN for classes that are neither predicted nor true.

    Args:
        counts: Common, predicted and true pixels [..., 3, classes].
    """
    common, predicted, true = np.moveaxis(counts, -2, 0)
    union = predicted + true - common
    ious: np.ndarray = np.divide(common, union, out=np.full_like(union, np.nan), where=union > 0)
    return ious
