"""Sample uniformly over a cost: first a bin of the cost, then an architecture in this bin.

Nearly all uniform paths have an average cost. SPOS (arXiv 1904.00420, section 3.4) therefore
samples a bin of FLOPs first; its release then samples up to 500 paths until one falls into the bin.
Here the architectures of the bin are sampled directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from oneshot.samplers.additive import AdditiveBins
from oneshot.samplers.base import BLOCK, SinglePath
from oneshot.samplers.pools import PooledBins
from spaces.chains.additive import AdditiveTable
from spaces.space import Codes, SearchSpace
from tables.cost.model import CostModel, counting_model

if TYPE_CHECKING:
    from tables.lookup_table import LookupTable

SPOS_MACS = tuple(float(edge) for edge in range(290_000_000, 360_000_001, 10_000_000))
"""The seven bins of SPOS, for its own space at 224 pixels."""

# Number of uniform architectures that `usual_range` estimates quantiles from.
_SAMPLED = 4096

# Fraction of architectures below the range of `usual_range`, and above it.
_TAILS = 0.05


class Bins(Protocol):
    """Sampler of architectures in a given bin of costs."""

    def draw(self, rng: np.random.Generator, bins: NDArray[np.int64]) -> Codes:
        """Return codes [n, choices] whose i-th row lies in the bin `bins[i]`."""


class UniformCost(SinglePath):
    """One path per update, uniform over bins of a cost and over the architectures of a bin.

    If costs are sums over choices, the architectures of a bin are counted and sampled exactly.
    Otherwise they come from pools, one for each bin, that are sampled once.

    Args:
        model: Model of the cost.
        seed: Seed of the training.
        edges: Edges of the bins [bins + 1], rising, in the cost's unit.

    Raises:
        InvalidOption: The edges do not rise, or a bin contains no network.
    """

    def __init__(self, model: CostModel, seed: int, edges: Sequence[float]):
        super().__init__(seed)
        self.model = model
        self.edges = np.asarray(edges, dtype=np.float64)
        if (
            len(self.edges) < 2
            or not (np.diff(self.edges) > 0).all()
            or not np.isfinite(self.edges).all()
        ):
            raise InvalidOption(f"edges of bins must rise, not {list(edges)}")

        # Counting needs independent choices, which irregular spaces do not have.
        exact = isinstance(model.table, AdditiveTable) and not model.space.irregular
        self.bins: Bins = (
            AdditiveBins(model, self.edges) if exact else PooledBins(model, self.edges)
        )

    def draw(self, rng: np.random.Generator) -> Codes:
        """Return codes [BLOCK, choices]."""
        return self.bins.draw(rng, rng.integers(len(self.edges) - 1, size=BLOCK))


def edges_between(least: float, greatest: float, count: int) -> list[float]:
    """Return the edges of `count` bins of equal width between two costs."""
    return [float(edge) for edge in np.linspace(least, greatest, count + 1)]


def usual_range(model: CostModel) -> tuple[float, float]:
    """Return the lowest and the highest cost of the middle 90% of uniform architectures."""

    # A fixed seed: the bins of a training must not depend on its own seed.
    costs = model.estimate(model.space.sample(np.random.default_rng(0), _SAMPLED))
    least, greatest = np.quantile(costs, [_TAILS, 1 - _TAILS]).tolist()
    return least, greatest


def uniform_flops(
    space: SearchSpace,
    seed: int,
    *,
    bins: int = 7,
    range: tuple[float, float] | None = None,  # noqa: A002 (the setting's name)
) -> UniformCost:
    """Sample uniformly over bins of FLOPs (SPOS, arXiv 1904.00420, section 3.4).

    Args:
        space: Space of the supernet.
        seed: Seed of the training.
        bins: Number of bins of equal width.
        range: Lowest and highest cost; None means SPOS's published range for the unmodified space
            `spos`, and the middle 90% of uniform architectures for other spaces.
    """

    # A name with parameters, such as spos(input_size=32), has other FLOPs.
    if range is None and space.name == "spos":
        range = SPOS_MACS[0], SPOS_MACS[-1]  # noqa: A001
    return _over_bins(counting_model(space, "macs"), seed, bins, range)


def uniform_latency(
    space: SearchSpace,
    seed: int,
    *,
    table: LookupTable,
    bins: int = 7,
    range: tuple[float, float] | None = None,  # noqa: A002 (the setting's name)
) -> UniformCost:
    """Sample uniformly over bins of latency.

    Args:
        space: Space of the supernet.
        seed: Seed of the training.
        table: Lookup table of latencies.
        bins: Number of bins of equal width.
        range: Lowest and highest latency in milliseconds; None means the middle 90% of uniform
            architectures.
    """
    return _over_bins(table.cost_model(space, "latency_ms"), seed, bins, range)


def _over_bins(
    model: CostModel, seed: int, bins: int, limits: tuple[float, float] | None
) -> UniformCost:
    """Build a sampler over bins of equal width, within limits or the usual range of the cost."""
    return UniformCost(model, seed, edges_between(*(limits or usual_range(model)), bins))
