"""The basic iterative method (Kurakin et al., arXiv 1607.02533), with bisection of its bound."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from oneshot.perturbations.minimal.attack import (
    LINF,
    MinimalAttack,
    ScoresOf,
    by_image,
    check_positive,
    is_wrong,
    length,
)
from oneshot.perturbations.minimal.registry import register_attack

_RANGE_BITS = 16
"""Least epsilon: the largest one that images can have, times 2^-16."""


@register_attack("bim")
class Bim(MinimalAttack):
    """Steps along the gradient within a ball whose radius is bisected: steps x bisections passes.

    The radius, epsilon, begins with the distance from black to white and is bisected on a
    logarithmic scale for each image. With `steps=1` this is FGSM at its least epsilon.

    Args:
        norm: Norm of the ball, `linf` (steps follow the gradient's sign) or `l2`.
        steps: Number of steps for each epsilon.
        step: Length of a step as a fraction of epsilon.
        bisections: Number of bisections; 10 find epsilon within 1.1%.

    Raises:
        InvalidOption: A value is out of its range.
    """

    def __init__(
        self, *, norm: str = LINF, steps: int = 10, step: float = 0.2, bisections: int = 10
    ) -> None:
        super().__init__("bim", norm)
        check_positive("bim", steps=steps, step=step, bisections=bisections)
        self.steps = steps
        self.step = step
        self.bisections = bisections

    def attacked(self, scores_of: ScoresOf, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return the images that the attack reaches with the least epsilon."""
        largest = 1.0 if self.norm == LINF else math.sqrt(pixels[0].numel())

        # Distances of images differ by orders of magnitude: their logarithms are bisected.
        high = torch.full_like(pixels[:, 0, 0, 0], math.log2(largest))
        low = high - _RANGE_BITS
        nearest = self._within(scores_of, pixels, labels, high.exp2())
        for _ in range(self.bisections):
            middle = (low + high) / 2
            attacked = self._within(scores_of, pixels, labels, middle.exp2())
            deceived = is_wrong(scores_of(attacked), labels)
            nearest = torch.where(by_image(deceived), attacked, nearest)
            high = torch.where(deceived, middle, high)
            low = torch.where(deceived, low, middle)
        return nearest

    def _within(
        self, scores_of: ScoresOf, pixels: Tensor, labels: Tensor, epsilon: Tensor
    ) -> Tensor:
        """Return images within epsilon [n], each after the step at which it deceived first."""
        attacked = pixels
        for _ in range(self.steps):
            attacked = attacked.detach().requires_grad_()
            scores = scores_of(attacked)
            remaining = ~is_wrong(scores, labels)
            if not remaining.any():
                break

            loss = functional.cross_entropy(scores, labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, attacked)
            moved = attacked.detach() + by_image(self.step * epsilon) * self._direction(gradient)
            change = self._projected(moved - pixels, epsilon)
            attacked = torch.where(by_image(remaining), (pixels + change).clamp(0, 1), attacked)
        return attacked.detach()

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return the steepest direction of the length 1."""
        if self.norm == LINF:
            return gradient.sign()
        return gradient / by_image(length(gradient, self.norm).clamp(min=1e-30))

    def _projected(self, change: Tensor, epsilon: Tensor) -> Tensor:
        """Return the nearest changes within epsilon [n]."""
        if self.norm == LINF:
            return change.clamp(-by_image(epsilon), by_image(epsilon))
        lengths = length(change, self.norm).clamp(min=1e-30)
        return change * by_image((epsilon / lengths).clamp(max=1))
