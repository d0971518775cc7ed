"""The fast gradient sign method (Goodfellow et al., ICLR 2015, arXiv 1412.6572, section 4)."""

from __future__ import annotations

from oneshot.perturbations.attack import EPSILON, SignAttack
from oneshot.perturbations.registry import register_perturbation


@register_perturbation("fgsm")
class Fgsm(SignAttack):
    """Attacks images by one step along the gradient's sign: 2 passes.

    Args:
        epsilon: Change of a pixel, from 0 to 1.

    Raises:
        InvalidOption: The value is out of its range.
    """

    def __init__(self, *, epsilon: float = EPSILON) -> None:
        super().__init__("fgsm", epsilon, epsilon, 1, random_start=False)
