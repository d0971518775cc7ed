"""A seeded evolution that minimises a cost over a space.

Example:
    >>> import numpy as np
    >>> import spaces
    >>> from tables.cost.evolution import minimise
    >>> space = spaces.get("spos-tiny")
    >>> codes, costs = minimise(space, lambda codes: codes.sum(1), np.random.default_rng(0))
    >>> print(codes[0], costs[0])
    [0 0 0 0 0 0] 0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.choice_space import ChoiceSpace, Codes
from spaces.codes import distinct

Cost: TypeAlias = Callable[[Codes], NDArray[Any]]
"""Codes [n, choices] -> costs [n]; infinity excludes an architecture."""


def minimise(
    space: ChoiceSpace,
    cost: Cost,
    rng: np.random.Generator,
    start: Codes | None = None,
    *,
    initial_size: int = 4096,
    num_children: int = 512,
    num_parents: int = 64,
    generations: int = 60,
    mutation_probability: float | None = None,
    target: float | None = None,
    unique: bool = False,
) -> tuple[Codes, NDArray[Any]]:
    """Evolve architectures of low cost.

    Every generation keeps its `num_parents` cheapest architectures, and adds as many children by
    crossover as by mutation. Only the operators of the space are used, so that conditional choices
    stay consistent.

    Args:
        space: Space with the operators.
        cost: Maps codes [n, choices] to costs [n]. It is called once per generation, with the
            whole population, so that it may depend on the population.
        rng: Source of all randomness.
        start: Codes [n, choices] that join the first generation; None for none.
        initial_size: Number of architectures that are sampled for the first generation.
        num_children: Number of children by crossover, and of children by mutation.
        num_parents: Number of architectures that survive a generation.
        generations: Number of generations after the first.
        mutation_probability: Probability that a mutation redraws a choice. None means 1.5 choices
            of an architecture on average.
        target: Cost at which the evolution stops; None to run all generations.
        unique: Whether duplicates are removed from each generation.

    Returns:
        Codes [n, choices] of the last generation and their costs [n], cheapest first. Where
        `target` was reached, its survivors only.
    """
    codes = _first_generation(space, rng, start, initial_size)
    if mutation_probability is None:
        mutation_probability = 1.5 / codes.shape[1]

    for _ in range(generations):
        if unique:
            codes = distinct(codes)
        codes, costs = _sorted(codes, cost(codes), num_parents)
        if target is not None and costs[0] <= target:
            return codes, costs

        mothers = codes[rng.integers(len(codes), size=num_children)]
        fathers = codes[rng.integers(len(codes), size=num_children)]
        children = space.crossover(mothers, fathers, rng)
        mutants = space.mutate(mothers, rng, mutation_probability)
        # Parents stay in the population, so that the best cost never rises.
        codes = np.asfortranarray(np.concatenate([codes, children, mutants]))

    if unique:
        codes = distinct(codes)
    return _sorted(codes, cost(codes), len(codes))


def _first_generation(
    space: ChoiceSpace, rng: np.random.Generator, start: Codes | None, count: int
) -> Codes:
    sampled = space.sample(rng, count)
    return sampled if start is None else np.concatenate([start, sampled])


def _sorted(codes: Codes, costs: NDArray[Any], count: int) -> tuple[Codes, NDArray[Any]]:
    # Stable, so that the parents stay ahead of children of equal cost: the order depends on the
    # seed alone.
    order = np.argsort(costs, kind="stable")[:count]
    return codes[order], costs[order]
