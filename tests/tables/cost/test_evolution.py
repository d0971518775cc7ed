"""A seeded evolution that minimises a cost."""

import numpy as np
from numpy.typing import NDArray

import spaces
from spaces.space import Codes
from tables.cost.evolution import minimise

SPACE = spaces.get("spos")


def total(codes: Codes) -> NDArray[np.int64]:
    return codes.sum(1)


def test_minimise_finds_the_least_and_sorts_by_cost() -> None:
    codes, costs = minimise(SPACE, total, np.random.default_rng(0))
    assert costs[0] == 0
    assert (np.diff(costs) >= 0).all()
    np.testing.assert_array_equal(costs, total(codes))


def test_minimise_repeats_for_a_seed() -> None:
    first, _ = minimise(SPACE, total, np.random.default_rng(1), generations=5)
    second, _ = minimise(SPACE, total, np.random.default_rng(1), generations=5)
    np.testing.assert_array_equal(first, second)


def test_minimise_stops_at_the_target_with_its_start() -> None:
    start = SPACE.sample(np.random.default_rng(2), 1) * 0
    codes, costs = minimise(
        SPACE, total, np.random.default_rng(2), start, initial_size=10, target=0, unique=True
    )
    assert costs[0] == 0
    np.testing.assert_array_equal(codes[0], start[0])
    assert len(codes) == 11
