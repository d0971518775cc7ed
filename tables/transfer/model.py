"""The cost model of a new device from the cost models of others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spaces.space import SearchSpace
from tables.cost.model import CostModel
from tables.cost.sums import SearchedSums
from tables.transfer.prior import Prior

Array = NDArray[np.float64]
Codes = NDArray[np.signedinteger]


def transferred_model(
    space: SearchSpace,
    sources: Sequence[CostModel],
    codes: Codes,
    latency_ms: Array,
    *,
    name: str,
    networks: int = 4000,
    seed: int = 0,
) -> CostModel:
    """Fit the latency model of a new device.

    Args:
        space: The space of all models.
        sources: Latency models of at least 2 other devices.
        codes: Codes [n, choices] of the networks that were measured on the new device.
        latency_ms: Their latencies [n] in milliseconds.
        name: Name of the new device.
        networks: Number of sampled networks on which the sources are compared.
        seed: Seed of these samples.

    Raises:
        InvalidTransfer: There are too few sources or networks, or a latency is not above 0.
    """

    def source_costs(codes: Codes) -> Array:
        return np.stack([model.estimate(codes) for model in sources], axis=1)

    sampled = space.sample(np.random.default_rng(seed), networks)

    prior = Prior(source_costs(sampled), seed)
    posterior = prior.fit(source_costs(space.check(codes)), latency_ms)

    # The posterior's deviation is relative; a cost model's is in milliseconds.
    sigma = posterior.deviation * float(np.median(latency_ms))
    table = SearchedSums(space, lambda codes: posterior.predict(source_costs(codes)))
    return CostModel(space, "latency_ms", table, sigma, name)
