"""Survival of a population along its Pareto fronts (CARS, CVPR 2020, section 3.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def select(
    scores: NDArray[np.float64],
    growths: NDArray[np.float64],
    costs: NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
) -> list[int]:
    """Return the rows of the survivors by pNSGA-III.

    arXiv 1909.04977, section 3.2: the fronts of (reward, cost) and of (growth, cost) are merged,
    beginning with the first of each.

    Args:
        scores: Rewards [n]; greater is better.
        growths: Growth of the rewards [n] since the last generation; greater is better.
        costs: Costs [n]; smaller is better.
        count: Number of survivors; all where there are fewer rows.
        rng: Source of randomness.

    Example:
        >>> scores, costs = np.array([0.9, 0.5, 0.4, 0.1]), np.array([3.0, 1.0, 2.0, 4.0])
        >>> sorted(select(scores, scores, costs, 2, np.random.default_rng(0)))
        [0, 1]
    """
    if len(scores) <= count:
        return list(range(len(scores)))

    by_reward = _ranked(np.stack([-scores, costs], 1), count, rng)
    by_growth = _ranked(np.stack([-growths, costs], 1), count, rng)
    # Pairs of a rank and an order: the first fronts of both come first.
    merged = sorted([*by_reward, *by_growth])
    return list(dict.fromkeys(row for _, _, row in merged))[:count]


def _ranked(
    objectives: NDArray[np.float64], count: int, rng: np.random.Generator
) -> list[tuple[int, int, int]]:
    """Return (rank, position, row) of the survivors of NSGA-III, by pymoo."""
    from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem
    from pymoo.util.ref_dirs import get_reference_directions

    directions = get_reference_directions("das-dennis", objectives.shape[1], n_partitions=count - 1)
    population = Population.new("X", np.arange(len(objectives))[:, None])
    population.set("F", objectives)
    population.apply(lambda individual: individual.evaluated.update("FGH"))
    problem = Problem(n_var=1, n_obj=objectives.shape[1], xl=0, xu=len(objectives))
    survivors = ReferenceDirectionSurvival(directions).do(
        problem, population, n_survive=count, random_state=rng
    )
    ranks = survivors.get("rank").astype(int).tolist()
    rows = survivors.get("X")[:, 0].astype(int).tolist()
    # The position breaks ties in rank by the order that NSGA-III chose.
    pairs = zip(ranks, rows, strict=True)
    return [(rank, position, row) for position, (rank, row) in enumerate(pairs)]
