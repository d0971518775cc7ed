"""Perturbations: what is done to a batch or a network while it runs, and conditions of them."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.perturbations.conditions import Conditions as Conditions
    from oneshot.perturbations.perturbation import Perturbation as Perturbation
    from oneshot.perturbations.registry import register_perturbation as register_perturbation

__all__ = ["Conditions", "Perturbation", "register_perturbation"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Conditions": ".conditions",
        "Perturbation": ".perturbation",
        "register_perturbation": ".registry",
    },
)
