"""Distances of minimal-distance attacks on test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.evaluation.images import sample_rows
from oneshot.perturbations.minimal.registry import ATTACKS
from oneshot.perturbations.pixel_scale import PixelScale

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.perturbations.minimal.attack import MinimalAttack

_BATCH = 100

_NORMAL_95 = 1.96
"""Standard errors at either end of a 95% interval."""


def attack_on_test(
    model: nn.Module, data: ImageData, texts: Sequence[str], count: int, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Attack test images, and report how far they had to be changed.

    Args:
        model: Classifier, which is set to evaluation mode.
        data: Data set with the test part.
        texts: Attacks with their options, such as `deepfool` and `bim(norm='l2')`.
        count: Number of test images; smaller parts are used whole.
        seed: Seed of their sample.

    Returns:
        Text -> report of `summary`.

    Raises:
        InvalidOption: The data set has no images with one class each, or the network has no
            gradients.
    """
    attacks = {text: ATTACKS.make(text) for text in texts}
    model.eval()
    scale = _scale_of(model, data)
    rows = np.sort(sample_rows(len(data.test), count, seed))

    def scores_of(pixels: Tensor) -> Tensor:
        return torch.as_tensor(model(scale.from_pixels(pixels))).float()

    distances: dict[str, list[Tensor]] = {text: [] for text in attacks}
    for inputs, labels in data.test.batches(_BATCH, rows):
        # Images whose preprocessing is unknown may exceed the training part's range.
        pixels = scale.to_pixels(inputs).clamp(0, 1)
        for text, attack in attacks.items():
            distances[text].append(attack.distances(scores_of, pixels, labels))
    return {text: summary(attacks[text], torch.cat(values)) for text, values in distances.items()}


def summary(attack: MinimalAttack, distances: Tensor) -> dict[str, Any]:
    """Return the figures of an attack.

    Failures count as the largest finite distance.

    Args:
        attack: Attack.
        distances: Distances [n], 0 of misclassified images and infinite of failures.

    Returns:
        `norm`, `mean` with `mean_interval`, `median` (None where the attack always failed),
        `failures`, `misclassified` and `images`.
    """
    failed = distances.isinf()
    report: dict[str, Any] = {
        "norm": attack.norm,
        "failures": int(failed.sum()),
        "misclassified": int((distances == 0).sum()),
        "images": len(distances),
    }
    if failed.all():
        return {**report, "mean": None, "mean_interval": None, "median": None}

    finite = distances.where(~failed, distances[~failed].max()).double()
    mean = float(finite.mean())
    error = float(finite.std(correction=0)) / len(finite) ** 0.5
    margin = _NORMAL_95 * error
    return {
        **report,
        "mean": mean,
        "mean_interval": [max(0.0, mean - margin), mean + margin],
        "median": float(finite.quantile(0.5)),
    }


def in_words(text: str, report: Mapping[str, Any]) -> str:
    """Describe the report of an attack in one line.

    Args:
        text: Attack with its options.
        report: Report of `summary`.
    """
    counts = (
        f"{report['images']} images, {report['misclassified']} of them misclassified before,"
        f" {report['failures']} never deceived"
    )
    if report["mean"] is None:
        return f"{text}: no image was deceived; {counts}"

    low, high = report["mean_interval"]
    return (
        f"{text}: mean {report['norm']} distance {report['mean']:.4f} (95%: {low:.4f} to"
        f" {high:.4f}), median {report['median']:.4f}; {counts}"
    )


def _scale_of(model: nn.Module, data: ImageData) -> PixelScale:
    """Return the scale of a data set's pixels.

    Raises:
        InvalidOption: The data set or the network cannot be attacked.
    """
    inputs, labels = data.test.tensors(range(1))
    is_image = isinstance(inputs, Tensor) and inputs.ndim == 4 and inputs.is_floating_point()
    is_class = isinstance(labels, Tensor) and labels.ndim == 1 and not labels.is_floating_point()
    if not (is_image and is_class):
        raise InvalidOption(
            f"--attack is for images with one class each, which {data.title} does not have"
        )

    with torch.enable_grad():
        scores = model(inputs.clone().requires_grad_())
    if not (isinstance(scores, Tensor) and scores.requires_grad):
        raise InvalidOption(
            "--attack needs the gradients of the network, which an ONNX file does not have; test"
            " the folder of its training"
        )
    return PixelScale.from_data(data, "attack")
