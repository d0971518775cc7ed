"""DeepFool (Moosavi-Dezfooli et al., CVPR 2016, arXiv 1511.04599, algorithm 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from oneshot.perturbations.minimal.attack import (
    L2,
    MinimalAttack,
    ScoresOf,
    by_image,
    check_positive,
    is_wrong,
)
from oneshot.perturbations.minimal.registry import register_attack


@register_attack("deepfool")
class DeepFool(MinimalAttack):
    """Steps to the nearest border between classes of the linearised network: 11 passes a step.

    Args:
        norm: Norm of the distance, `l2` or `linf`.
        steps: Largest number of steps; most images need 2 to 4.
        candidates: Number of other classes whose borders are examined, those of the highest scores.
        overshoot: How far beyond the border, as a fraction of the distance.

    Raises:
        InvalidOption: A value is out of its range.
    """

    def __init__(
        self, *, norm: str = L2, steps: int = 50, candidates: int = 10, overshoot: float = 0.02
    ) -> None:
        super().__init__("deepfool", norm)
        check_positive("deepfool", steps=steps, candidates=candidates, overshoot=overshoot)
        self.steps = steps
        self.candidates = candidates
        self.overshoot = overshoot

    def attacked(self, scores_of: ScoresOf, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return the images just beyond the border of another class."""
        attacked = pixels
        total = torch.zeros_like(pixels)
        others: Tensor | None = None
        for _ in range(self.steps):
            attacked = attacked.detach().requires_grad_()
            scores = scores_of(attacked)
            remaining = ~is_wrong(scores, labels)
            if not remaining.any():
                break

            if others is None:
                others = self._candidates(scores.detach(), labels)
            change = self._to_border(scores, attacked, labels, others)
            total = total + change * by_image(remaining)
            attacked = (pixels + (1 + self.overshoot) * total).clamp(0, 1)
        return attacked.detach()

    def _candidates(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the other classes of the highest scores [n, candidates]."""
        masked = scores.scatter(1, labels[:, None], -torch.inf)
        return masked.topk(min(self.candidates, scores.shape[1] - 1)).indices

    def _to_border(self, scores: Tensor, images: Tensor, labels: Tensor, others: Tensor) -> Tensor:
        """Return the changes [n, channels, h, w] to the nearest borders of the linearised scores.

        Args:
            scores: Scores [n, classes] with their graph.
            images: Images that the scores belong to.
            labels: Classes of the images [n].
            others: Other classes [n, candidates].
        """
        true_scores = scores.gather(1, labels[:, None])
        differences = scores.gather(1, others) - true_scores

        nearest = torch.full_like(scores[:, 0].detach(), torch.inf)
        change = torch.zeros_like(images)
        for column in range(others.shape[1]):
            difference = differences[:, column]
            (gradient,) = torch.autograd.grad(difference.sum(), images, retain_graph=True)
            gap = difference.detach().abs()
            flat = gradient.flatten(1)

            if self.norm == L2:
                slope = flat.norm(dim=1)
                direction = gradient / by_image(slope.clamp(min=1e-30))
            else:
                # The L1 norm is dual to L-infinity (Hoelder's inequality).
                slope = flat.abs().sum(1)
                direction = gradient.sign()

            distance = gap / slope.clamp(min=1e-30)
            is_nearer = distance < nearest
            nearest = torch.where(is_nearer, distance, nearest)
            change = torch.where(by_image(is_nearer), by_image(distance) * direction, change)
        return change
