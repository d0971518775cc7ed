"""The most probable architecture that meets a constraint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import Infeasible
from oneshot.search.constraint import Constraint
from spaces.chains.additive import AdditiveTable
from spaces.space import Codes

WITHIN = 0.05
"""The share of the limit below it in which an architecture is sought first."""

_BINS = 20_000
_DRAWN = 1 << 14


def most_probable(
    logs: Sequence[NDArray[np.float64]],
    constraint: Constraint,
    within: float = WITHIN,
    seed: int = 0,
) -> Codes:
    """The most probable architecture of which the cost lies in [(1 - within) limit, limit]; else in
    [0, limit].

    Where costs are sums over choices this is a knapsack with one item a choice, solved by dynamic
    programming over costs in steps of 1/20000 of what the limit leaves, rounded up: the limit is
    kept exactly. Where candidates meet it each by itself, as with peak memory, the most probable
    ones that do are taken, however near the limit. Elsewhere it is the best of 16384 architectures
    drawn by their probabilities.

    Args:
        logs: for each choice the logarithms of its probabilities [candidates].
        constraint: with the space's cost model.
        within: share of the limit.
        seed: of the draws.

    Returns:
        Codes [choices].

    Raises:
        Infeasible: no architecture was found that meets the constraint.
    """
    space = constraint.model.space
    if isinstance(constraint.model.table, AdditiveTable) and not space.irregular:
        codes = _knapsack(logs, constraint, within)
    elif (allowed := constraint.allowed) is not None:
        rows = zip(logs, allowed, strict=True)
        codes = np.array(
            [np.where(row, log, -np.inf).argmax() for log, row in rows], dtype=space.dtype
        )
    else:
        codes = _drawn(logs, constraint, within, seed)
    if codes is None or not constraint.met(codes[None])[0]:
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
    table = constraint.model.table
    assert isinstance(table, AdditiveTable)
    kept = constraint.margin * (constraint.model.sigma or 0.0)
    least = table.fixed + sum(float(term.min()) for term in table.terms) + kept
    left = constraint.maximum - least
    if left < 0:
        return None
    weights = [_steps(term - term.min(), left) for term in table.terms]
    best = np.full(_BINS + 1, -np.inf)
    best[0] = 0.0
    taken = np.zeros((len(logs), _BINS + 1), dtype=np.int16)
    for column, (log, weight) in enumerate(zip(logs, weights, strict=True)):
        after = np.full(_BINS + 1, -np.inf)
        for code, (gain, steps) in enumerate(zip(log, weight.tolist(), strict=True)):
            if steps > _BINS:
                continue
            reached = np.full(_BINS + 1, -np.inf)
            reached[steps:] = best[: _BINS + 1 - steps] + max(gain, -1e9)
            better = reached > after
            after[better], taken[column, better] = reached[better], code
        best = after
    # A sum rounded up is by less than one step a choice above the true cost.
    low = (constraint.maximum * (1 - within) - least) / max(left, 1e-300) * _BINS + len(logs)
    first = min(max(int(np.ceil(low)), 0), _BINS)
    place = first + int(best[first:].argmax())
    if not np.isfinite(best[place]):
        place = int(best.argmax())
    codes = np.zeros(len(logs), dtype=constraint.model.space.dtype)
    for column in range(len(logs) - 1, -1, -1):
        codes[column] = taken[column, place]
        place -= int(weights[column][codes[column]])
    return codes


def _steps(costs: NDArray[np.float64], left: float) -> NDArray[np.int64]:
    if left <= 0:
        return np.where(costs > 0, _BINS + 1, 0)
    # What does not fit at all may be very much: no number that an int64 cannot hold.
    steps: NDArray[np.int64] = np.minimum(np.ceil(costs / left * _BINS), _BINS + 1).astype(np.int64)
    return steps


def _drawn(
    logs: Sequence[NDArray[np.float64]], constraint: Constraint, within: float, seed: int
) -> Codes | None:
    space, rng = constraint.model.space, np.random.default_rng(seed)
    columns = []
    for log in logs:
        shares = np.exp(log - log.max())
        columns.append(rng.choice(len(log), _DRAWN, p=shares / shares.sum()))
    codes = np.asfortranarray(np.stack(columns, axis=1), dtype=space.dtype)
    codes = (
        np.unique(codes[space.valid(codes)], axis=0)
        if space.irregular
        else np.unique(codes, axis=0)
    )
    chances = np.sum([log[codes[:, column]] for column, log in enumerate(logs)], axis=0)
    codes = space.canonical(np.asfortranarray(codes))
    upper = constraint.upper(codes)
    met = upper <= constraint.maximum
    near = met & (upper >= constraint.maximum * (1 - within))
    rows = near if near.any() else met
    if not rows.any():
        return None
    found: Codes = codes[np.flatnonzero(rows)[chances[rows].argmax()]]
    return found
