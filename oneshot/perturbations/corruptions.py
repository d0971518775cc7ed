"""Corruptions of ImageNet-C on batches of pixels, each image with its own severity.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations", ICLR 2019 (arXiv 1903.12261); constants of their release, for ImageNet-C and
CIFAR-10-C.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from oneshot.perturbations.draws import normal, on_device, uniform
from oneshot.perturbations.jpeg import compressed

SEVERITIES = 5

SMALL_SIDE = 64
"""Images up to this side have the constants of CIFAR-10-C, larger ones those of ImageNet-C."""

Function = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Maps pixels [b, channels, h, w] from 0 to 1 and a constant of each image [b] to pixels."""


@dataclass(frozen=True)
class Corruption:
    """A corruption and its constants.

    Args:
        function: Corrupts pixels; values below 0 or above 1 are clipped afterwards.
        small: Constant of each severity for small images, as in CIFAR-10-C.
        large: Constant of each severity for large images, as in ImageNet-C.
    """

    function: Function
    small: tuple[float, ...]
    large: tuple[float, ...]

    def constants(self, side: int) -> tuple[float, ...]:
        """Return the constant of each severity for images of a side in pixels."""
        return self.small if side <= SMALL_SIDE else self.large


def gaussian_noise(pixels: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """Add normal noise.

    Args:
        pixels: Pixels from 0 to 1 [b, channels, h, w].
        deviation: Standard deviation of each image [b].
        generator: Generator on the processor.
    """
    return pixels + normal(pixels, generator) * _by_image(deviation)


def shot_noise(pixels: Tensor, photons: Tensor, generator: torch.Generator) -> Tensor:
    """Replace pixels by counts of photons, which have Poisson's distribution.

    Args:
        pixels: Pixels from 0 to 1 [b, channels, h, w].
        photons: Mean number of photons of a white pixel, for each image [b].
        generator: Generator on the processor.
    """
    rates = pixels.clamp(0, 1) * _by_image(photons)
    source = on_device(generator, pixels.device)
    return torch.poisson(rates, generator=source) / _by_image(photons)


def impulse_noise(pixels: Tensor, amount: Tensor, generator: torch.Generator) -> Tensor:
    """Replace values by black or white, with equal probabilities (salt and pepper).

    Args:
        pixels: Pixels from 0 to 1 [b, channels, h, w].
        amount: Fraction of the values that are replaced, for each image [b].
        generator: Generator on the processor.
    """
    draws = uniform(pixels, generator)
    amount = _by_image(amount)

    # The lower half of the replaced values is black.
    return torch.where(draws < amount, (draws >= amount / 2).to(pixels.dtype), pixels)


def gaussian_blur(pixels: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """Convolve images with a Gaussian that ends at four deviations; edges are repeated.

    Args:
        pixels: Pixels from 0 to 1 [b, channels, h, w].
        deviation: Standard deviation of the Gaussian in pixels, for each image [b].
        generator: Not used.
    """
    count, channels, height, width = pixels.shape

    # One matrix product for each axis: every image has its own kernel.
    rows = pixels.reshape(count, channels * height, width) @ _blur_matrices(width, deviation)
    columns = rows.view(count, channels, height, width).transpose(2, 3)
    blurred = columns.reshape(count, channels * width, height) @ _blur_matrices(height, deviation)
    return blurred.view(count, channels, width, height).transpose(2, 3)


def contrast(pixels: Tensor, factor: Tensor, generator: torch.Generator) -> Tensor:
    """Scale the distances from the mean of each channel of an image.

    Args:
        pixels: Pixels from 0 to 1 [b, channels, h, w].
        factor: Factor of each image [b].
        generator: Not used.
    """
    means = pixels.mean((2, 3), keepdim=True)
    return (pixels - means) * _by_image(factor) + means


def brightness(pixels: Tensor, amount: Tensor, generator: torch.Generator) -> Tensor:
    """Raise the value of the colours in HSV; hue and saturation stay.

    Args:
        pixels: Pixels from 0 to 1 [b, channels, h, w].
        amount: What is added to the value, for each image [b].
        generator: Not used.
    """
    # The value is the largest channel, and all channels grow in proportion to it.
    value = pixels.amax(1, keepdim=True)
    raised = (value + _by_image(amount)).clamp(0, 1)
    return torch.where(value > 0, pixels * raised / value.clamp(min=1e-12), raised)


def jpeg(pixels: Tensor, quality: Tensor, generator: torch.Generator) -> Tensor:
    """Compress images as JPEG and decode them.

    Args:
        pixels: Pixels from 0 to 1 [b, channels, h, w].
        quality: Quality of each image [b].
        generator: Not used.
    """
    return compressed(pixels, quality)


CORRUPTIONS: Mapping[str, Corruption] = {
    "gaussian_noise": Corruption(
        gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)
    ),
    "shot_noise": Corruption(shot_noise, (500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    "impulse_noise": Corruption(
        impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)
    ),
    "gaussian_blur": Corruption(gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1), (1, 2, 3, 4, 6)),
    "contrast": Corruption(contrast, (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "brightness": Corruption(brightness, (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    "jpeg": Corruption(jpeg, (80, 65, 58, 50, 40), (25, 18, 15, 10, 7)),
}
"""Name -> corruption."""


def corrupted(
    pixels: Tensor,
    kinds: Tensor,
    severities: Tensor,
    names: tuple[str, ...],
    generator: torch.Generator,
) -> Tensor:
    """Corrupt each image of a batch in its own way.

    Args:
        pixels: Pixels from 0 to 1 [b, channels, h, w].
        kinds: Index into `names` of each image's corruption [b].
        severities: Severity of each image, from 1 to 5 [b].
        names: Names of corruptions.
        generator: Generator on the processor.
    """
    result = torch.empty_like(pixels)
    for kind, name in enumerate(names):
        rows = (kinds == kind).nonzero()[:, 0].to(pixels.device)
        if not len(rows):
            continue
        corruption = CORRUPTIONS[name]
        constants = pixels.new_tensor(corruption.constants(max(pixels.shape[2:])))
        chosen = constants[severities.to(pixels.device)[rows] - 1]
        result[rows] = corruption.function(pixels[rows], chosen, generator)
    return result.clamp(0, 1)


def _by_image(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _blur_matrices(size: int, deviation: Tensor) -> Tensor:
    """Return matrices [b, size, size] that blur rows of pixels from the right."""
    matrices = [_blur_matrix(size, sigma) for sigma in deviation.tolist()]
    return torch.stack(matrices).to(deviation)


@functools.lru_cache(maxsize=64)
def _blur_matrix(size: int, sigma: float) -> Tensor:
    """Return the matrix [size, size] of one deviation."""
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()

    # Column i holds the weights of output pixel i; pixels beyond an edge are those at it.
    sources = (torch.arange(size)[:, None] + offsets.long()).clamp(0, size - 1)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    matrix.scatter_add_(1, sources, kernel.expand(size, -1).contiguous())
    return matrix.T.contiguous()
