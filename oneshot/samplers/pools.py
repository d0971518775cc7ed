"""Architectures of a bin where costs are not sums over choices: a pool for each bin, sampled
once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from spaces.codes import distinct
from spaces.space import Codes
from tables.cost.model import CostModel

_SAMPLED = 1 << 15
_FEWEST = 128
_ROUNDS = 40
_CHILDREN = 2048


class PooledBins:
    """Uniform architectures sorted into bins; where few fall, mutants of those that cost nearly as
    much are added.

    Args:
        model: of the cost.
        edges: of the bins [bins + 1], rising.

    Raises:
        InvalidOption: no network was found for a bin.
    """

    def __init__(self, model: CostModel, edges: NDArray[np.float64]):
        self.model, self.edges = model, edges
        rng = np.random.default_rng(0)
        codes = distinct(model.space.sample(rng, _SAMPLED))
        costs = model.estimate(codes)
        self.pools = [self._pool(rng, codes, costs, index) for index in range(len(edges) - 1)]

    def _pool(
        self, rng: np.random.Generator, codes: Codes, costs: NDArray[np.float64], index: int
    ) -> Codes:
        low, high = self.edges[index : index + 2]
        pool = codes[(costs >= low) & (costs < high)]
        near, distance = codes, _distance(costs, low, high)
        for _ in range(_ROUNDS):
            if len(pool) >= _FEWEST:
                break
            best = near[np.argsort(distance, kind="stable")[:_FEWEST]]
            children = self.model.space.mutate(
                best[rng.integers(len(best), size=_CHILDREN)], rng, 0.2
            )
            near = distinct(np.concatenate([best, children]))
            found = self.model.estimate(near)
            distance = _distance(found, low, high)
            pool = distinct(np.concatenate([pool, near[distance == 0]]))
        if len(pool) == 0:
            raise InvalidOption(
                f"no network of {self.model.space.name} was found with {self.model.metric} from"
                f" {low:g} to {high:g}; uniform ones reach from {costs.min():g} to {costs.max():g}"
            )
        return np.asfortranarray(pool)

    def draw(self, rng: np.random.Generator, bins: NDArray[np.int64]) -> Codes:
        """Codes [n, choices], the i-th of the bin `bins[i]`."""
        drawn = rng.random(len(bins))
        rows = [
            self.pools[index][int(share * len(self.pools[index]))]
            for index, share in zip(bins, drawn, strict=True)
        ]
        return np.asfortranarray(np.stack(rows))


def _distance(costs: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    # 0 inside, also at the low edge; beyond the high edge at least a little.
    above = np.where(costs >= high, costs - high + 1e-12 * abs(high), 0.0)
    found: NDArray[np.float64] = np.maximum(low - costs, 0.0) + above
    return found
