"""Costs of blocks from the times of whole networks, for runtimes that join operations across
blocks.

Whole networks tell the differences between the candidates of a choice, but not how a network's time
divides among its places. A prior does: time = rate x MACs + a constant a block, fitted with
non-negative factors; the ridge of `tables.cost.ridge` then finds what each kind of block takes more
or less. Sums over networks are as good as the fit; a single block's cost is only as good as the
prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spaces.space import SearchSpace
from tables.cost.ridge import fit_ridge


@dataclass(frozen=True)
class Solution:
    """Solved costs.

    Args:
        costs: block key -> cost, in the unit of the values, at least 0.
        occurrences: block key -> in how many of the networks it is.
        standard_error: relative standard error of a network's fitted cost: residual x sqrt(features
            / n) / mean.
    """

    costs: dict[str, float]
    occurrences: dict[str, int]
    standard_error: float


def solve(space: SearchSpace, codes: NDArray[np.int64], values: NDArray[np.float64]) -> Solution:
    """Block costs that explain whole networks.

    Args:
        space: whose blocks.
        codes: [n, choices] of the networks; n is at least 3.
        values: [n] their costs.
    """
    keys, counts = space.block_counts(space.check(codes))
    macs = np.array([space.all_blocks[key].macs for key in keys], dtype=float)
    rate, constant = _prior(counts @ macs, counts.sum(1).astype(float), values)
    prior = rate * macs + constant
    found = fit_ridge(counts.astype(float), counts @ prior, values)
    # The intercept belongs to what every network has; spread over all blocks it is there in every
    # sum.
    share = found.intercept / counts.sum(1).mean()
    costs = np.maximum(prior + found.deltas + share, 0.0)
    rank = min(len(values), int((counts.max(0) != counts.min(0)).sum()) + 1)
    error = found.residual * np.sqrt(rank / len(values)) / values.mean()
    return Solution(
        dict(zip(keys, costs.tolist(), strict=True)),
        dict(zip(keys, (counts > 0).sum(0).tolist(), strict=True)),
        float(error),
    )


def _prior(
    macs: NDArray[np.float64], blocks: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[float, float]:
    """Milliseconds per MAC and per block, at least 0: non-negative least squares over two
    columns.
    """
    both, *_ = np.linalg.lstsq(np.stack([macs, blocks], axis=1), values, rcond=None)
    if both.min() >= 0:
        return float(both[0]), float(both[1])
    alone = [(column @ values / (column @ column), column) for column in (macs, blocks)]
    errors = [np.sum((values - factor * column) ** 2) for factor, column in alone]
    return (float(alone[0][0]), 0.0) if errors[0] <= errors[1] else (0.0, float(alone[1][0]))
