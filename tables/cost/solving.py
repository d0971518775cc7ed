"""Block costs solved from whole networks, for runtimes that fuse operations across blocks.

Whole networks show the differences between the candidates of a choice, but not how a network's
latency divides among its positions. A prior does: latency = rate x MACs + a constant per block,
fitted with non-negative coefficients. The ridge of `tables.cost.ridge` then finds how much more or
less each kind of block takes. Sums over networks are as good as the fit; a single block's cost is
only as good as the prior.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.space import SearchSpace
from tables.cost.ridge import Correction, fit_undisturbed, undisturbed_mask

# Exponents of the prior costs in proportion to which deltas are expected: all alike, or larger ones
# of large blocks. Leave-one-out errors select one.
_POWERS = (0.0, 0.5, 1.0)

# Fraction of the mean prior cost that counts for blocks below it: one without MACs takes time too.
_LEAST_SCALE = 0.1


@dataclass(frozen=True)
class Solution:
    """Solved block costs.

    Args:
        costs: Block key -> cost of at least 0, in the unit of the values; the intercept is spread
            over the blocks.
        own_costs: Block key -> cost without the intercept, by which sums are most accurate.
        occurrences: Block key -> number of networks that have the block.
        standard_error: Relative standard error of a network's fitted cost: residual x
            sqrt(features / n) / mean.
        correction: The ridge, with a delta for each block; its residuals are of networks that are
            left out of the solution.
        mask: Whether a network [n] was undisturbed, so that the costs were solved from it.
    """

    costs: dict[str, float]
    own_costs: dict[str, float]
    occurrences: dict[str, int]
    standard_error: float
    correction: Correction
    mask: NDArray[np.bool_]


def solve(
    space: SearchSpace,
    codes: NDArray[np.int64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64] | None = None,
) -> Solution:
    """Solve for block costs that explain whole networks.

    Args:
        space: Space of the networks.
        codes: Codes [n, choices] of the networks; n is at least 3.
        values: Their costs [n].
        noise: Known deviations [n] of the values themselves. None: 0.
    """
    keys, counts = space.block_counts(space.check(codes))
    macs = np.array([space.all_blocks[key].macs for key in keys], dtype=float)
    rate, constant = _fit_prior(counts @ macs, counts.sum(1).astype(float), values)
    prior = rate * macs + constant
    relative = np.maximum(prior / prior.mean(), _LEAST_SCALE)
    residuals = values - counts @ prior
    fits = [_scaled_ridge(counts, relative**power, residuals, noise) for power in _POWERS]
    correction, mask = min(fits, key=lambda fit: fit[0].residual)

    # The intercept belongs to every network; spread over all blocks, every sum includes it.
    intercept_per_block = correction.intercept / counts.sum(1).mean()
    own_costs = prior + correction.deltas
    costs = np.maximum(own_costs + intercept_per_block, 0.0)

    # Blocks that occur equally often in all networks share one coefficient, the intercept.
    varying = int((counts.max(0) != counts.min(0)).sum())
    # With fewer networks than coefficients, the ridge has as many as there are networks.
    rank = min(len(values), varying + 1)
    error = correction.residual * np.sqrt(rank / len(values)) / values.mean()

    return Solution(
        dict(zip(keys, costs.tolist(), strict=True)),
        dict(zip(keys, own_costs.tolist(), strict=True)),
        dict(zip(keys, (counts > 0).sum(0).tolist(), strict=True)),
        float(error),
        correction,
        mask,
    )


def _scaled_ridge(
    counts: NDArray[Any],
    scale: NDArray[np.float64],
    residuals: NDArray[np.float64],
    noise: NDArray[np.float64] | None,
) -> tuple[Correction, NDArray[np.bool_]]:
    """Fit a ridge whose deltas have prior deviations in proportion to a scale [blocks].

    Returns:
        The correction, and the networks [n] that it was fitted on.
    """
    features = counts * scale
    mask = undisturbed_mask(features, residuals)
    scaled = fit_undisturbed(features, residuals, mask, noise)
    return replace(scaled, deltas=scaled.deltas * scale), mask


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
