"""The attack of Carlini and Wagner (S&P 2017, arXiv 1608.04644, section VI.A)."""

from __future__ import annotations

import torch
from torch import Tensor

from oneshot.errors import InvalidOption
from oneshot.perturbations.minimal.attack import (
    L2,
    MinimalAttack,
    ScoresOf,
    by_image,
    check_positive,
    is_wrong,
    length,
)
from oneshot.perturbations.minimal.registry import register_attack

_INSIDE = 1 - 1e-6
"""Factor that keeps black and white within the range of tanh."""


@register_attack("carlini-wagner")
class CarliniWagner(MinimalAttack):
    """Minimises distance plus a multiple of the margin by Adam: steps x searches passes.

    Images are (tanh(w) + 1) / 2, so that pixels stay valid, and |x' - x|^2 + c max(margin, -k) is
    minimised over w. The constant c of each image is bisected.

    Args:
        steps: Number of Adam's steps for each constant.
        rate: Learning rate of Adam.
        searches: Number of constants.
        constant: First constant; it grows tenfold until the image deceives.
        confidence: Margin k by which the scores of another class must lead.

    Raises:
        InvalidOption: A value is out of its range.
    """

    def __init__(
        self,
        *,
        steps: int = 100,
        rate: float = 0.01,
        searches: int = 6,
        constant: float = 0.01,
        confidence: float = 0.0,
    ) -> None:
        super().__init__("carlini-wagner", L2)
        check_positive(
            "carlini-wagner", steps=steps, rate=rate, searches=searches, constant=constant
        )
        if confidence < 0:
            raise InvalidOption(
                f"attack carlini-wagner: confidence must be at least 0, not {confidence}"
            )
        self.steps = steps
        self.rate = rate
        self.searches = searches
        self.constant = constant
        self.confidence = confidence

    def attacked(self, scores_of: ScoresOf, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return the nearest deceiving images of all steps."""
        constant = torch.full_like(pixels[:, 0, 0, 0], self.constant)
        low = torch.zeros_like(constant)
        high = torch.full_like(constant, torch.inf)
        nearest = pixels
        shortest = torch.full_like(constant, torch.inf)
        for _ in range(self.searches):
            attacked, distance = self._minimised(scores_of, pixels, labels, constant)
            is_nearer = distance < shortest
            nearest = torch.where(by_image(is_nearer), attacked, nearest)
            shortest = torch.where(is_nearer, distance, shortest)

            deceived = distance.isfinite()
            high = torch.where(deceived, constant, high)
            low = torch.where(deceived, low, constant)
            constant = torch.where(high.isinf(), 10 * constant, (low + high) / 2)
        return nearest

    def _minimised(
        self, scores_of: ScoresOf, pixels: Tensor, labels: Tensor, constant: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the nearest deceiving images for constants [n], and their distances [n]."""
        variable = torch.atanh((2 * pixels - 1) * _INSIDE).requires_grad_()
        optimizer = torch.optim.Adam([variable], lr=self.rate)
        nearest = pixels
        shortest = torch.full_like(constant, torch.inf)
        for _ in range(self.steps):
            images = (torch.tanh(variable) + 1) / 2
            scores = scores_of(images)
            true_score = scores.gather(1, labels[:, None])[:, 0]
            other = scores.scatter(1, labels[:, None], -torch.inf).amax(1)
            margin = (true_score - other).clamp(min=-self.confidence)
            squares = (images - pixels).flatten(1).square().sum(1)

            distance = length((images - pixels).detach(), L2)
            is_nearer = is_wrong(scores, labels) & (distance < shortest)
            if self.confidence:
                is_nearer &= (other - true_score).detach() >= self.confidence
            nearest = torch.where(by_image(is_nearer), images.detach(), nearest)
            shortest = torch.where(is_nearer, distance, shortest)

            # Not backward(): weights would have gradients too.
            loss = (squares + constant * margin).sum()
            (variable.grad,) = torch.autograd.grad(loss, variable)
            optimizer.step()
        return nearest, shortest
