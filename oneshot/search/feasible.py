"""Architectures that meet constraints: sampled, or found where sampling finds none."""

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

_BATCH, _TRIES, _FRUITLESS = 4096, 64, 8


def feasible_sample(
    space: ChoiceSpace,
    constraints: Sequence[Constraint],
    rng: np.random.Generator,
    count: int,
    starts: Codes | None = None,
) -> Codes:
    """Up to `count` distinct architectures that meet the constraints, uniform as far as sampling
    reaches.

    Rejection first; where the constraints leave little, all of a small space, or walks among the
    networks that meet them, begun at those that an evolution towards the constraints finds.

    Args:
        space: Space, or Subspace, that architectures are sampled from.
        constraints: all are to be met.
        rng: all randomness comes from it.
        count: how many.
        starts: codes [n, choices] that the evolution begins with too, such as the cheapest
            networks.

    Raises:
        Infeasible: nothing meets all constraints at once (exact for spaces that are enumerated);
            the nearest is told.
    """

    found = _rejected(space, constraints, rng, count)
    if len(found) >= count:
        return found
    if space.size <= ENUMERABLE:
        return _enumerated(space, constraints, rng, count)
    if len(found) == 0:
        # Towards the constraints: the evolution ends as soon as a network meets all of them.
        found, _ = minimise(
            space,
            lambda codes: excess(constraints, codes),
            rng,
            starts,
            initial_size=_BATCH,
            target=0.0,
            unique=True,
        )
        if not feasible(constraints, found).any():
            text = (
                f"no network of {space.name} was found that meets all {len(constraints)}"
                " constraints at once"
            )
            raise _infeasible(text, constraints, found)
    return _walked(space, constraints, rng, found[feasible(constraints, found)], count)


def feasible(constraints: Sequence[Constraint], codes: Codes) -> NDArray[np.bool_]:
    """Which of codes [n, choices] meet every constraint, bool array [n]."""
    met = np.ones(len(codes), dtype=bool)
    for constraint in constraints:
        met &= constraint.met(codes)
    return met


def excess(constraints: Sequence[Constraint], codes: Codes) -> NDArray[np.float64]:
    """By how much codes [n, choices] break the constraints, as shares of the maxima, [n]; 0 where
    all are met.
    """
    total = np.zeros(len(codes))
    for constraint in constraints:
        total += constraint.excess(codes)
    return total


def _rejected(
    space: ChoiceSpace, constraints: Sequence[Constraint], rng: np.random.Generator, count: int
) -> Codes:
    found = space.sample(rng, 0)
    for attempt in range(_TRIES):
        drawn = space.sample(rng, _BATCH)
        found = distinct(np.concatenate([found, drawn[feasible(constraints, drawn)]]))
        if len(found) >= count or (attempt + 1 >= _FRUITLESS and len(found) == 0):
            break
    return np.asfortranarray(found[:count])


def _enumerated(
    space: ChoiceSpace, constraints: Sequence[Constraint], rng: np.random.Generator, count: int
) -> Codes:
    every = np.concatenate(list(space.enumerate_codes()))
    met = every[feasible(constraints, every)]
    if len(met) == 0:
        text = f"no network of {space.name} meets all {len(constraints)} constraints at once"
        nearest = every[np.argsort(excess(constraints, every), kind="stable")[:1]]
        raise _infeasible(text, constraints, nearest)
    return np.asfortranarray(met[rng.permutation(len(met))[:count]])


def _walked(
    space: ChoiceSpace,
    constraints: Sequence[Constraint],
    rng: np.random.Generator,
    pool: Codes,
    count: int,
) -> Codes:
    for _ in range(_TRIES):
        if len(pool) >= count:
            break
        parents = pool[rng.integers(len(pool), size=_BATCH)]
        children = space.mutate(parents, rng, 0.2)
        pool = distinct(np.concatenate([pool, children[feasible(constraints, children)]]))
    return np.asfortranarray(pool[rng.permutation(len(pool))[:count]])


def _infeasible(text: str, constraints: Sequence[Constraint], codes: Codes) -> Infeasible:
    """The error, which tells what the first of `codes` costs."""
    costs = [float(constraint.upper(codes[:1])[0]) for constraint in constraints]
    pairs = zip(constraints, costs, strict=True)
    listed = ", ".join(
        f"{item.label} {cost:.6g} (limit {item.maximum:.6g})" for item, cost in pairs
    )
    worst = int(np.argmax([item.excess(codes[:1])[0] for item in constraints]))
    return Infeasible(
        f"{text}; the nearest has {listed}",
        constraints[worst].metric,
        constraints[worst].maximum,
        costs[worst],
    )
