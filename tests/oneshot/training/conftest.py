"""A short recipe, and what compares weights."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from oneshot.training.recipe import Recipe

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def short() -> Recipe:
    """Four epochs of three updates, with a decay that shows."""
    return Recipe(epochs=4, batch_size=32, learning_rate=0.05, weight_decay=0.01)


@pytest.fixture(scope="session")
def weights() -> Callable[[nn.Module], Weights]:
    """Copies a model's parameters and statistics."""
    return lambda model: {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture(scope="session")
def same() -> Callable[[Weights, Weights], bool]:
    """Whether weights are equal bit for bit."""

    def compare(one: Weights, other: Weights) -> bool:
        return one.keys() == other.keys() and all(
            torch.equal(value, other[name]) for name, value in one.items()
        )

    return compare
