"""The contract finds what is wrong with a space."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import spaces
from spaces import ChainSpace
from spaces.errors import InvalidArchitecture
from spaces.space import SearchSpace
from spaces.testing import SpaceContract


def broken(**methods: Callable[..., Any]) -> SpaceContract:
    """The contract of a space in which these methods are wrong."""
    right = spaces.get("spos-tiny")
    assert isinstance(right, ChainSpace)
    kind = type("Broken", (ChainSpace,), methods)
    space = kind(
        right.name, right.layout, right.input_shape, 10, right._classifier, right._initialise
    )

    class OfBroken(SpaceContract):
        samples, builds = 40, 1

        def space(self) -> SearchSpace:
            result: SearchSpace = space
            return result

    return OfBroken()


def globally_random(self: ChainSpace, rng: np.random.Generator, n: int | None = None) -> Any:
    return ChainSpace.sample(self, np.random.default_rng(np.random.randint(1 << 30)), n)  # noqa: NPY002


def last_candidate_again(
    self: ChainSpace, codes: Any, rng: np.random.Generator, probability: float = 0.1
) -> Any:
    return np.asfortranarray(np.full_like(codes, 3))


def out_of_range(self: ChainSpace, mothers: Any, fathers: Any, rng: np.random.Generator) -> Any:
    return np.asfortranarray(mothers + 1)


def without_head(self: ChainSpace, architecture: Any) -> Any:
    return ChainSpace.blocks(self, architecture)[:-1]


def one_more(self: ChainSpace, architectures: Any) -> Any:
    return ChainSpace.macs(self, architectures) + 1


def always_the_first(self: ChainSpace, architecture: Any, **rest: Any) -> Any:
    return ChainSpace.network(self, self.architecture([0] * 6), **rest)


def lenient(self: ChainSpace, choices: Any) -> Any:
    try:
        return ChainSpace.architecture(self, choices)
    except InvalidArchitecture:
        return ChainSpace.architecture(self, [0] * 6)


@pytest.mark.parametrize(
    ("methods", "test"),
    [
        ({"sample": globally_random}, "test_sampling_needs_nothing_but_its_generator"),
        ({"mutate": last_candidate_again}, "test_no_mutation_and_equal_parents_change_nothing"),
        ({"crossover": out_of_range}, "test_children_are_architectures"),
        ({"blocks": without_head}, "test_counts_are_those_of_the_blocks"),
        ({"blocks": without_head}, "test_network_executes_its_blocks"),
        ({"macs": one_more}, "test_networks_count_as_the_space_does"),
        ({"network": always_the_first}, "test_networks_count_as_the_space_does"),
        ({"architecture": lenient}, "test_foreign_choices_are_refused_by_name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_broken_space_fails(methods: dict[str, Callable[..., Any]], test: str) -> None:
    with pytest.raises((AssertionError, InvalidArchitecture, pytest.fail.Exception)):
        getattr(broken(**methods), test)()


def test_a_sound_space_passes() -> None:
    contract = broken()
    for name in ("test_counts_are_those_of_the_blocks", "test_children_are_architectures"):
        getattr(contract, name)()
