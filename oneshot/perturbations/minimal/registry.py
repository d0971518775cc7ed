"""Minimal-distance attacks by name, each with its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from oneshot.errors import InvalidOption
from spaces.plugins import Registry

if TYPE_CHECKING:
    from oneshot.perturbations.minimal.attack import MinimalAttack

ATTACKS = Registry["type[MinimalAttack]"](
    "attack",
    "pathfit.attacks",
    {
        "bim": "oneshot.perturbations.minimal.bim:Bim",
        "deepfool": "oneshot.perturbations.minimal.deepfool:DeepFool",
        "carlini-wagner": "oneshot.perturbations.minimal.carlini_wagner:CarliniWagner",
    },
    invalid=InvalidOption,
)
"""Name -> class of the attack."""

T = TypeVar("T", bound="type[MinimalAttack]")


def register_attack(name: str) -> Callable[[T], T]:
    """Return a decorator that registers a MinimalAttack class.

    Args:
        name: Name that `--attack` then accepts; it can be taken once.

    Example:
        >>> from oneshot.perturbations.minimal.bim import Bim
        >>> with ATTACKS.preserved():
        ...     @register_attack("single-step")
        ...     class SingleStep(Bim):
        ...         pass
        ...     "single-step" in ATTACKS
        True
    """
    return ATTACKS.register(name)
