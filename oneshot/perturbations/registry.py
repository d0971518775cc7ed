"""Perturbations by name, each with its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from oneshot.errors import InvalidOption
from spaces.plugins import Registry

if TYPE_CHECKING:
    from oneshot.perturbations.perturbation import Perturbation

CLEAN = "clean"
"""Name of the condition without a perturbation."""

PERTURBATIONS = Registry["type[Perturbation]"](
    "perturbation",
    "pathfit.perturbations",
    {
        CLEAN: "oneshot.perturbations.clean:Clean",
        "int8": "oneshot.perturbations.int8:Int8",
        "corrupt": "oneshot.perturbations.corrupt:Corrupt",
        "feature-faults": "oneshot.perturbations.feature_faults:FeatureFaults",
        "weight-faults": "oneshot.perturbations.weight_faults:WeightFaults",
        "pgd": "oneshot.perturbations.pgd:Pgd",
        "fgsm": "oneshot.perturbations.fgsm:Fgsm",
    },
    invalid=InvalidOption,
)
"""Name -> class of the perturbation."""

T = TypeVar("T", bound="type[Perturbation]")


def register_perturbation(name: str) -> Callable[[T], T]:
    """Return a decorator that registers a Perturbation class.

    Args:
        name: Name that `--under` then accepts; it can be taken once.

    Example:
        >>> from oneshot.perturbations.clean import Clean
        >>> with PERTURBATIONS.preserved():
        ...     @register_perturbation("still")
        ...     class Still(Clean):
        ...         pass
        ...     "still" in PERTURBATIONS
        True
    """
    return PERTURBATIONS.register(name)
