"""Sample the architectures of a bin from a pool, for costs that are not sums over choices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from spaces.codes import distinct
from spaces.space import Codes
from tables.cost.model import CostModel

# Number of uniform architectures that are sorted into the bins.
_SAMPLED = 1 << 15

# Least size of a pool, below which mutants are added.
_FEWEST = 128

# Greatest number of rounds of mutation for one pool, and the mutants of a round.
_ROUNDS = 40
_CHILDREN = 2048


class PooledBins:
    """Pools of architectures, one for each bin of costs.

    Uniform architectures are sorted into the bins. A bin with few of them also receives mutants of
    the architectures whose costs are nearest to it.

    Args:
        model: Model of the cost.
        edges: Edges of the bins [bins + 1], rising, in the cost's unit.

    Raises:
        InvalidOption: No network was found for a bin.
    """

    def __init__(self, model: CostModel, edges: NDArray[np.float64]):
        self.model = model
        self.edges = edges

        # A fixed seed, so that equal models and edges give equal pools in every training.
        rng = np.random.default_rng(0)
        codes = distinct(model.space.sample(rng, _SAMPLED))
        costs = model.estimate(codes)
        self.pools = [self._pool(rng, codes, costs, index) for index in range(len(edges) - 1)]

    def _pool(
        self, rng: np.random.Generator, codes: Codes, costs: NDArray[np.float64], index: int
    ) -> Codes:
        """Return the pool of one bin.

        Args:
            rng: Generator of the mutations.
            codes: Codes of the uniform architectures [n, choices].
            costs: Costs of the uniform architectures [n].
            index: Index of the bin.
        """
        low, high = self.edges[index : index + 2]
        pool = codes[(costs >= low) & (costs < high)]

        # Evolution towards the bin: mutate the nearest architectures and select the nearest again.
        near = codes
        distance = _distance(costs, low, high)
        for _ in range(_ROUNDS):
            if len(pool) >= _FEWEST:
                break

            # A stable sort makes the order of equal distances reproducible.
            best = near[np.argsort(distance, kind="stable")[:_FEWEST]]
            children = self.model.space.mutate(
                best[rng.integers(len(best), size=_CHILDREN)], rng, 0.2
            )
            near = distinct(np.concatenate([best, children]))
            near_costs = self.model.estimate(near)
            distance = _distance(near_costs, low, high)
            pool = distinct(np.concatenate([pool, near[distance == 0]]))

        if len(pool) == 0:
            raise InvalidOption(
                f"no network of {self.model.space.name} was found with {self.model.metric} from"
                f" {low:g} to {high:g}; uniform ones reach from {costs.min():g} to {costs.max():g}"
            )
        return np.asfortranarray(pool)

    def draw(self, rng: np.random.Generator, bins: NDArray[np.int64]) -> Codes:
        """Return codes [n, choices] whose i-th row lies in the bin `bins[i]`."""

        # Pools differ in size, so each position is a uniform number scaled to its pool.
        samples = rng.random(len(bins))
        rows = [
            self.pools[index][int(sample * len(self.pools[index]))]
            for index, sample in zip(bins, samples, strict=True)
        ]
        return np.asfortranarray(np.stack(rows))


def _distance(costs: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return the distance of costs [n] to the bin [low, high); 0 inside."""

    # The high edge is outside the bin, so its distance must be above 0.
    above = np.where(costs >= high, costs - high + 1e-12 * abs(high), 0.0)
    distance: NDArray[np.float64] = np.maximum(low - costs, 0.0) + above
    return distance
