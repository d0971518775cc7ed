"""Block costs solved from whole networks, for runtimes that fuse operations across blocks.

Whole networks show the differences between the candidates of a choice, but not how a network's
latency divides among its positions. A prior does: latency = rate x MACs + a constant per block,
fitted with non-negative coefficients. The ridge of `tables.cost.ridge` then finds how much more or
less each kind of block takes. Sums over networks are as good as the fit; a single block's cost is
only as good as the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spaces.space import SearchSpace
from tables.cost.ridge import fit_ridge


@dataclass(frozen=True)
class Solution:
    """Solved block costs.

    Args:
        costs: Block key -> cost of at least 0, in the unit of the values.
        occurrences: Block key -> number of networks that have the block.
        standard_error: Relative standard error of a network's fitted cost: residual x
            sqrt(features / n) / mean.
    """

    costs: dict[str, float]
    occurrences: dict[str, int]
    standard_error: float


def solve(space: SearchSpace, codes: NDArray[np.int64], values: NDArray[np.float64]) -> Solution:
    """Solve for block costs that explain whole networks.

    Args:
        space: Space of the networks.
        codes: Codes [n, choices] of the networks; n is at least 3.
        values: Their costs [n].
    """
    keys, counts = space.block_counts(space.check(codes))
    macs = np.array([space.all_blocks[key].macs for key in keys], dtype=float)
    rate, constant = _fit_prior(counts @ macs, counts.sum(1).astype(float), values)
    prior = rate * macs + constant
    correction = fit_ridge(counts.astype(float), counts @ prior, values)

    # The intercept belongs to every network; spread over all blocks, every sum includes it.
    intercept_per_block = correction.intercept / counts.sum(1).mean()
    costs = np.maximum(prior + correction.deltas + intercept_per_block, 0.0)

    # Blocks that occur equally often in all networks share one coefficient, the intercept.
    varying = int((counts.max(0) != counts.min(0)).sum())
    # With fewer networks than coefficients, the ridge has as many as there are networks.
    rank = min(len(values), varying + 1)
    error = correction.residual * np.sqrt(rank / len(values)) / values.mean()

    return Solution(
        dict(zip(keys, costs.tolist(), strict=True)),
        dict(zip(keys, (counts > 0).sum(0).tolist(), strict=True)),
        float(error),
    )


def _fit_prior(
    macs: NDArray[np.float64], num_blocks: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the costs per MAC and per block, by non-negative least squares of two columns."""
    both, *_ = np.linalg.lstsq(np.stack([macs, num_blocks], axis=1), values, rcond=None)
    if both.min() >= 0:
        return float(both[0]), float(both[1])

    # With two columns, the solution at the boundary is the better of the single-column fits.
    factors = [column @ values / (column @ column) for column in (macs, num_blocks)]
    errors = [
        np.sum((values - factor * column) ** 2)
        for factor, column in zip(factors, (macs, num_blocks), strict=True)
    ]
    return (float(factors[0]), 0.0) if errors[0] <= errors[1] else (0.0, float(factors[1]))
