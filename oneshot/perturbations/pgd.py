"""Projected gradient descent (Madry et al., ICLR 2018, arXiv 1706.06083, section 2.1)."""

from __future__ import annotations

from oneshot.perturbations.attack import EPSILON, SignAttack
from oneshot.perturbations.registry import register_perturbation


@register_perturbation("pgd")
class Pgd(SignAttack):
    """Attacks images by projected gradient descent: steps + 1 passes.

    Args:
        epsilon: Largest change of a pixel, from 0 to 1.
        step: Change of a pixel in a step.
        steps: Number of steps, each of which runs the network forward and backward.
        random_start: Whether the attack begins at a random point within epsilon.
        source: Folder of another network's training: the attack follows its gradients and is
            transferred (a black-box attack); empty: those of the attacked network.

    Raises:
        InvalidOption: A value is out of its range, or the source is for other images.
    """

    def __init__(
        self,
        *,
        epsilon: float = EPSILON,
        step: float = 2 / 255,
        steps: int = 7,
        random_start: bool = True,
        source: str = "",
    ) -> None:
        super().__init__("pgd", epsilon, step, steps, random_start, source)
