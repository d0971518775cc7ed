"""Search models of spaces, and the architectures that searches over them derive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from oneshot.errors import InvalidOption
from spaces.architecture import Architecture
from spaces.modules.supernet import Supernet

if TYPE_CHECKING:
    from oneshot.algorithms.architecture import ArchitectureAlgorithm
    from spaces.space import SearchSpace


def searchable(supernet: nn.Module) -> nn.Module:
    """Return the model that mutators bind to: a space's `search_model`, or any other model itself.

    It shares the modules of the supernet, so that training it trains the supernet.

    Args:
        supernet: Supernet of a space, or any model with choices.

    Raises:
        InvalidOption: The space has no search model.
    """
    if not isinstance(supernet, Supernet):
        return supernet

    model = supernet.space.search_model(supernet)
    if model is None:
        raise InvalidOption(
            f"space: no algorithm searches the cells of {supernet.space.name}; train it with spos"
        )
    return model


def setting_space(space: SearchSpace) -> SearchSpace | None:
    """Return the space for a `Setting`, or None if its search model has other choices.

    An edge of the search model of DARTS, for example, is no choice of the space.
    """
    return space if space.search_keys_are_choices else None


def derived(space: SearchSpace, algorithm: ArchitectureAlgorithm) -> Architecture:
    """Return the architecture that a search over `searchable(space.supernet())` arrived at."""
    if space.search_keys_are_choices:
        return space.architecture(algorithm.report()["architecture"])

    keys = list(algorithm.mutator.groups)
    return space.derive(dict(zip(keys, algorithm.mutator.probabilities(), strict=True)))
