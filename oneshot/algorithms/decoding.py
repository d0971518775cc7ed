"""Decode probabilities into the most probable architecture that meets a constraint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import Infeasible
from oneshot.search.constraint import Constraint
from spaces.chains.additive import AdditiveTable
from spaces.space import Codes

WITHIN = 0.05
"""Fraction of the limit below it in which an architecture is searched first."""

# Resolution of the knapsack's costs.
_BINS = 20_000
# Number of sampled architectures where no exact method applies.
_DRAWN = 1 << 14


def most_probable(
    logs: Sequence[NDArray[np.float64]],
    constraint: Constraint,
    within: float = WITHIN,
    seed: int = 0,
) -> Codes:
    """Return the most probable architecture with a cost just below the limit.

    The cost lies in [(1 - within) limit, limit], or in [0, limit] if there is none. The method
    depends on the costs:

    - Sums over choices: a multiple-choice knapsack, solved by dynamic programming over costs in
      steps of 1/20000 of the budget above the least cost. Steps are rounded up, so that the limit
      is kept exactly.
    - Limits on each candidate, as with peak memory: the most probable candidates that meet the
      limit, however far below it.
    - Otherwise: the most probable of 16384 architectures that are sampled by their probabilities.

    Args:
        logs: Logarithms of the probabilities [candidates] of each choice.
        constraint: Constraint with the space's cost model.
        within: Fraction of the limit in which costs are preferred.
        seed: Seed of the samples.

    Returns:
        Codes [choices].

    Raises:
        Infeasible: No architecture was found that meets the constraint.
    """
    space = constraint.model.space
    if isinstance(constraint.model.table, AdditiveTable) and not space.validates_codes:
        codes = _knapsack(logs, constraint, within)
    elif (allowed := constraint.allowed) is not None:
        rows = zip(logs, allowed, strict=True)
        codes = np.array(
            [np.where(row, log, -np.inf).argmax() for log, row in rows], dtype=space.dtype
        )
    else:
        codes = _drawn(logs, constraint, within, seed)

    if codes is None or not constraint.met(codes[None])[0]:
        # If no architecture of the space meets it, this error reports the least cost.
        constraint.check_feasible()
        raise Infeasible(
            f"no network of {space.name} within {constraint.metric}<={constraint.maximum:g} was"
            " found",
            constraint.metric,
            constraint.maximum,
            constraint.maximum,
        )
    return codes


def _knapsack(
    logs: Sequence[NDArray[np.float64]], constraint: Constraint, within: float
) -> Codes | None:
    """Solve the knapsack; return None if even the cheapest architecture exceeds the limit."""
    table = constraint.model.table
    assert isinstance(table, AdditiveTable)

    # The margin covers the error of the cost model, so that it is part of every cost.
    reserve = constraint.margin * (constraint.model.sigma or 0.0)
    least_cost = table.fixed + sum(float(term.min()) for term in table.terms) + reserve
    budget = constraint.maximum - least_cost
    if budget < 0:
        return None

    # Costs above the cheapest candidate of each choice, in steps of the budget.
    weights = [_steps(term - term.min(), budget) for term in table.terms]

    # best[b]: greatest log-probability of the choices so far with a cost of exactly b steps.
    best = np.full(_BINS + 1, -np.inf)
    best[0] = 0.0
    # best_codes[choice, b]: the choice's code in that solution.
    best_codes = np.zeros((len(logs), _BINS + 1), dtype=np.int16)

    for column, (log, weight) in enumerate(zip(logs, weights, strict=True)):
        extended = np.full(_BINS + 1, -np.inf)
        for code, (gain, steps) in enumerate(zip(log, weight.tolist(), strict=True)):
            if steps > _BINS:
                continue

            # A finite least gain: candidates of probability 0 may be the only ones that fit.
            candidate = np.full(_BINS + 1, -np.inf)
            candidate[steps:] = best[: _BINS + 1 - steps] + max(gain, -1e9)
            better = candidate > extended
            extended[better] = candidate[better]
            best_codes[column, better] = code
        best = extended

    # A sum rounded up is by less than one step per choice above the true cost.
    low = (constraint.maximum * (1 - within) - least_cost) / max(budget, 1e-300) * _BINS + len(logs)
    first = min(max(int(np.ceil(low)), 0), _BINS)
    position = first + int(best[first:].argmax())
    if not np.isfinite(best[position]):
        # No architecture is just below the limit.
        position = int(best.argmax())

    # Backtrack from the last choice to the first.
    codes = np.zeros(len(logs), dtype=constraint.model.space.dtype)
    for column in range(len(logs) - 1, -1, -1):
        codes[column] = best_codes[column, position]
        position -= int(weights[column][codes[column]])
    return codes


def _steps(costs: NDArray[np.float64], left: float) -> NDArray[np.int64]:
    """Return costs in steps of 1/20000 of the budget, rounded up; 20001 where one exceeds it."""
    if left <= 0:
        return np.where(costs > 0, _BINS + 1, 0)

    # The minimum comes before the conversion: a huge cost would overflow an int64.
    steps: NDArray[np.int64] = np.minimum(np.ceil(costs / left * _BINS), _BINS + 1).astype(np.int64)
    return steps


def _drawn(
    logs: Sequence[NDArray[np.float64]], constraint: Constraint, within: float, seed: int
) -> Codes | None:
    """Return the most probable of sampled architectures, or None if none meets the constraint."""
    space = constraint.model.space
    rng = np.random.default_rng(seed)

    # The choices are sampled independently.
    columns = []
    for log in logs:
        weights = np.exp(log - log.max())
        columns.append(rng.choice(len(log), _DRAWN, p=weights / weights.sum()))

    codes = np.asfortranarray(np.stack(columns, axis=1), dtype=space.dtype)
    codes = (
        np.unique(codes[space.valid(codes)], axis=0)
        if space.validates_codes
        else np.unique(codes, axis=0)
    )

    # Probabilities of the sampled codes, before equal networks get the same codes.
    log_probs = np.sum([log[codes[:, column]] for column, log in enumerate(logs)], axis=0)
    codes = space.canonical(np.asfortranarray(codes))

    upper = constraint.upper(codes)
    met = upper <= constraint.maximum
    near = met & (upper >= constraint.maximum * (1 - within))
    rows = near if near.any() else met
    if not rows.any():
        return None

    most_likely: Codes = codes[np.flatnonzero(rows)[log_probs[rows].argmax()]]
    return most_likely
