"""Minimal-distance attacks: the least change of an image that deceives a network."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.perturbations.minimal.attack import MinimalAttack as MinimalAttack
    from oneshot.perturbations.minimal.registry import register_attack as register_attack

__all__ = ["MinimalAttack", "register_attack"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "MinimalAttack": ".attack",
        "register_attack": ".registry",
    },
)
