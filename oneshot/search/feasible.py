"""Architectures that meet constraints: sampled, enumerated, or evolved where they are rare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import Infeasible
from spaces.choice_space import ChoiceSpace, Codes
from spaces.codes import distinct
from tables.cost.evolution import minimise

if TYPE_CHECKING:
    from oneshot.search.constraint import Constraint

ENUMERABLE = 1 << 17
"""Spaces of at most this size are enumerated where sampling finds too little."""

_BATCH_SIZE = 4096
# Where each architecture is run to know whether it is one.
_COSTLY_BATCH_SIZE = 64
_MAX_BATCHES = 64
# Batches without any feasible architecture after which rejection sampling is given up.
_MAX_EMPTY_BATCHES = 8


def feasible_sample(
    space: ChoiceSpace,
    constraints: Sequence[Constraint],
    rng: np.random.Generator,
    count: int,
    starts: Codes | None = None,
) -> Codes:
    """Sample distinct architectures that meet the constraints.

    Rejection sampling comes first and is uniform. Where the constraints leave little, a small space
    is enumerated. In a larger one, random walks of mutations among feasible architectures start at
    those that were sampled, or that an evolution towards the constraints finds.

    Args:
        space: Space, or Subspace, that architectures are sampled from.
        constraints: Constraints that every architecture must meet.
        rng: Source of all randomness.
        count: Number of architectures; fewer are returned where no more are found.
        starts: Codes [n, choices] that join the evolution's first generation, such as the cheapest
            networks.

    Returns:
        Codes [at most count, choices].

    Raises:
        Infeasible: No architecture meets all constraints at once, which is exact for spaces that
            are enumerated; the nearest is named.
    """
    samples = _rejected(space, constraints, rng, count)
    if len(samples) >= count:
        return samples
    if space.size <= ENUMERABLE:
        return _enumerated(space, constraints, rng, count)

    if len(samples) == 0:
        # Towards the constraints: the evolution ends as soon as a network meets all of them.
        samples, _ = minimise(
            space,
            lambda codes: excess(constraints, codes),
            rng,
            starts,
            initial_size=_BATCH_SIZE,
            target=0.0,
            unique=True,
        )
        if not feasible(constraints, samples).any():
            text = (
                f"no network of {space.name} was found that meets all {len(constraints)}"
                " constraints at once"
            )
            raise _infeasible(text, constraints, samples)

    return _walked(space, constraints, rng, samples[feasible(constraints, samples)], count)


def feasible(constraints: Sequence[Constraint], codes: Codes) -> NDArray[np.bool_]:
    """Return which of codes [n, choices] meet every constraint, bool array [n]."""
    met = np.ones(len(codes), dtype=bool)
    for constraint in constraints:
        met &= constraint.met(codes)
    return met


def excess(constraints: Sequence[Constraint], codes: Codes) -> NDArray[np.float64]:
    """Return by how much codes [n, choices] exceed the constraints, [n].

    The excesses are fractions of the maxima, summed over the constraints; 0 where all are met.
    """
    total = np.zeros(len(codes))
    for constraint in constraints:
        total += constraint.excess(codes)
    return total


def _rejected(
    space: ChoiceSpace, constraints: Sequence[Constraint], rng: np.random.Generator, count: int
) -> Codes:
    # No rows yet, of the space's type.
    samples = space.sample(rng, 0)
    batch_size = max(count, _COSTLY_BATCH_SIZE) if space.counts_by_running else _BATCH_SIZE
    for attempt in range(_MAX_BATCHES):
        batch = space.sample(rng, batch_size)
        samples = distinct(np.concatenate([samples, batch[feasible(constraints, batch)]]))
        is_hopeless = attempt + 1 >= _MAX_EMPTY_BATCHES and len(samples) == 0
        if len(samples) >= count or is_hopeless:
            break

    return np.asfortranarray(samples[:count])


def _enumerated(
    space: ChoiceSpace, constraints: Sequence[Constraint], rng: np.random.Generator, count: int
) -> Codes:
    all_codes = np.concatenate(list(space.enumerate_codes()))
    samples = all_codes[feasible(constraints, all_codes)]
    if len(samples) == 0:
        text = f"no network of {space.name} meets all {len(constraints)} constraints at once"
        order = np.argsort(excess(constraints, all_codes), kind="stable")
        nearest = all_codes[order[:1]]
        raise _infeasible(text, constraints, nearest)

    return np.asfortranarray(samples[rng.permutation(len(samples))[:count]])


def _walked(
    space: ChoiceSpace,
    constraints: Sequence[Constraint],
    rng: np.random.Generator,
    pool: Codes,
    count: int,
) -> Codes:
    for _ in range(_MAX_BATCHES):
        if len(pool) >= count:
            break

        # Children of feasible architectures are feasible far more often than random ones.
        parents = pool[rng.integers(len(pool), size=_BATCH_SIZE)]
        children = space.mutate(parents, rng, 0.2)
        pool = distinct(np.concatenate([pool, children[feasible(constraints, children)]]))

    return np.asfortranarray(pool[rng.permutation(len(pool))[:count]])


def _infeasible(text: str, constraints: Sequence[Constraint], codes: Codes) -> Infeasible:
    """Return the error with the costs of the first of `codes`, the nearest architecture."""
    costs = [float(constraint.upper(codes[:1])[0]) for constraint in constraints]
    descriptions = ", ".join(
        f"{constraint.label} {cost:.6g} (limit {constraint.maximum:.6g})"
        for constraint, cost in zip(constraints, costs, strict=True)
    )

    # The constraint that is exceeded most, as a fraction of its limit.
    worst = int(np.argmax([constraint.excess(codes[:1])[0] for constraint in constraints]))

    return Infeasible(
        f"{text}; the nearest has {descriptions}",
        constraints[worst].metric,
        constraints[worst].maximum,
        costs[worst],
    )
