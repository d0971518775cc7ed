"""Attacks: small changes of images against the gradient of their loss."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from oneshot.algorithms.batch_statistics import untracked
from oneshot.errors import InvalidOption
from oneshot.perturbations.draws import uniform
from oneshot.perturbations.perturbation import LossAt, Perturbation
from oneshot.perturbations.pixel_scale import PixelScale, check_images

if TYPE_CHECKING:
    from oneshot.data.images import ImageData

EPSILON = 8 / 255
"""Largest change of a pixel from 0 to 1 that attacks make by default."""


class SignAttack(Perturbation):
    """Steps along the sign of the gradient within a ball of the L-infinity norm.

    Weights have no gradients from an attack, and running statistics stay as they are. Images stay
    valid: pixels from 0 to 1.

    Args:
        name: Name of the perturbation, for errors.
        epsilon: Radius of the ball, in pixels from 0 to 1.
        step: Length of a step, in the same unit.
        steps: Number of steps.
        random_start: Whether the first step begins at a random point of the ball.
        source: Folder of a network's training whose gradients are followed; empty: those of the
            attacked network.

    Raises:
        InvalidOption: A value is out of its range.
    """

    def __init__(
        self,
        name: str,
        epsilon: float,
        step: float,
        steps: int,
        random_start: bool,
        source: str = "",
    ) -> None:
        for field, value in (("epsilon", epsilon), ("step", step)):
            if not 0 < value <= 1:
                raise InvalidOption(
                    f"under {name}: {field} must be above 0 and at most 1, in pixels from 0 to 1,"
                    f" not {value}"
                )
        if steps < 1:
            raise InvalidOption(f"under {name}: steps must be at least 1, not {steps}")

        self.name = name
        self.epsilon = epsilon
        self.step = step
        self.steps = steps
        self.random_start = random_start
        self.source = source
        self.source_network: nn.Module | None = None
        self.pixels = PixelScale()

    def for_data(self, data: ImageData) -> Perturbation:
        """Return the attack on the normalised images of a data set."""
        attack = copy.copy(self)
        attack.pixels = PixelScale.from_data(data, self.name)
        if self.source:
            attack.source_network = load_source(self.source, data, self.name)
        return attack

    @contextmanager
    def around(
        self,
        model: nn.Module,
        inputs: Tensor,
        loss_at: LossAt,
        generator: torch.Generator,
    ) -> Iterator[Tensor]:
        """Give the attacked images."""
        images = check_images(inputs, self.name).detach()
        network = self.source_network
        if network is not None:
            network.to(images.device)
        with untracked(model), torch.enable_grad():
            attacked = self._attacked(images, lambda x: loss_at(x, network), generator)
        yield attacked

    def _attacked(
        self, images: Tensor, loss_at: Callable[[Tensor], Tensor], generator: torch.Generator
    ) -> Tensor:
        """Return images [b, channels, h, w] after all steps."""
        # Sizes are in pixels, images are normalised.
        unit = 1 / self.pixels.factor(images)
        black = self.pixels.from_pixels(torch.zeros_like(images[:1]))
        white = self.pixels.from_pixels(torch.ones_like(images[:1]))
        lowest = torch.maximum(images - self.epsilon * unit, black)
        highest = torch.minimum(images + self.epsilon * unit, white)

        attacked = images
        if self.random_start:
            start = 2 * uniform(images, generator) - 1
            attacked = (images + self.epsilon * unit * start).clamp(lowest, highest)

        for _ in range(self.steps):
            gradient = gradient_of(loss_at, attacked, self.name)
            attacked = (attacked + self.step * unit * gradient.sign()).clamp(lowest, highest)
        return attacked


def load_source(folder: str, data: ImageData, name: str) -> nn.Module:
    """Return the network whose gradients a transfer attack follows, in evaluation mode.

    Args:
        folder: Folder of its training.
        data: Data set of the attacked network.
        name: Name of the perturbation, for the error.

    Raises:
        InvalidRun: The folder has no trained network.
        InvalidOption: The network is for other images or classes.
    """
    # Imported on demand: a run reads its own conditions.
    from oneshot.run import read_run

    run = read_run(folder, "network")
    (example, _) = data.train.tensors(range(1))
    expected = tuple(example.shape[1:]), data.num_classes
    found = run.input_shape, run.settings.num_classes
    if found != expected:
        raise InvalidOption(
            f"under {name}: source {folder!r} has inputs {found[0]} and {found[1]} classes; the"
            f" attacked images have {expected[0]} and {expected[1]}"
        )
    return run.load().requires_grad_(False)


def gradient_of(loss_at: Callable[[Tensor], Tensor], images: Tensor, name: str) -> Tensor:
    """Return the gradient of a loss by images; weights get none.

    Args:
        loss_at: Function images -> loss, or several losses that are added up.
        images: Images [b, channels, h, w].
        name: Name of the perturbation, for the error.

    Raises:
        InvalidOption: The network has no gradients.
    """
    images = images.detach().requires_grad_()
    loss = loss_at(images).sum()
    if not loss.requires_grad:
        raise InvalidOption(
            f"under {name}: needs the gradients of the network, which an ONNX file does not have;"
            " test the folder of its training"
        )
    (gradient,) = torch.autograd.grad(loss, images)
    return gradient
