"""Networks that a table was not built from: random ones, and such as searches return."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes, SearchSpace
from tables.cost.evolution import Cost, minimise
from tables.cost.model import CostModel
from tables.lookup_table import LookupTable
from tables.metrics import MARGIN

Array = NDArray[np.float64]


def sample_unseen(
    table: LookupTable, space: SearchSpace, count: int, rng: np.random.Generator
) -> Codes:
    """Sample distinct networks that are not in the table.

    Args:
        table: The table.
        space: Space of the networks.
        count: Number of networks; a small space may have fewer.
        rng: Random generator.

    Returns:
        Codes [at most count, choices].
    """
    codes, _ = table.network_latencies()
    seen = {tuple(row) for row in codes.tolist()}
    rows: dict[tuple[int, ...], None] = {}
    # Many more than needed: samples of a small space repeat each other and those of the table.
    for row in map(tuple, space.sample(rng, 50 * count).tolist()):
        if row not in seen and len(rows) < count:
            rows[row] = None

    return _to_codes(space, rows)


def limit_at(model: CostModel, percentile: float) -> float:
    """Return the limit at a percentile of the range of limits.

    The range is from the least limit that can be promised to the greatest cost.
    """
    least, greatest = model.bounds()
    lowest = least.value + MARGIN * (model.sigma or 0.0)
    return lowest + percentile / 100 * max(0.0, greatest.value - lowest)


def searched_networks(
    model: CostModel, limit: float, count: int, rng: np.random.Generator
) -> Codes:
    """Return networks such as searches return, close to the limit and with the margin kept.

    Each is the best of an evolution whose guide prefers costlier networks and, at random, some
    candidates: like accuracy, which grows with cost but not with cost alone. The evolution thus
    finds networks that the model underestimates.

    Args:
        model: Cost model; its upper confidence limit stays within `limit`.
        limit: Limit in milliseconds.
        count: Number of evolutions.
        rng: Random generator of the guides and the evolutions.

    Returns:
        Codes [at most count, choices].
    """
    space = model.space
    least, _ = model.bounds()
    start = space.encode([least.architecture])
    rows: dict[tuple[int, ...], None] = {}
    for _ in range(count):
        tastes = [rng.normal(size=candidates) for candidates in space.candidates]
        codes, _ = minimise(
            space,
            _searched_cost(model, limit, tastes),
            rng,
            start,
            initial_size=511,
            num_children=256,
            generations=30,
            mutation_probability=0.1,
        )
        best = codes[0]

        # An evolution that finds nothing within the limit ends with a network beyond it.
        if model.upper(best[None])[0] <= limit:
            rows[tuple(map(int, best))] = None

    return _to_codes(space, rows)


def _to_codes(space: SearchSpace, rows: dict[tuple[int, ...], None]) -> Codes:
    codes = np.array(list(rows), dtype=space.dtype)
    return np.asfortranarray(codes.reshape(-1, len(space.choices)))


def _searched_cost(model: CostModel, limit: float, tastes: list[Array]) -> Cost:
    def cost(codes: Codes) -> Array:
        latencies = model.upper(codes)
        appeal = sum(taste[codes[:, column]] for column, taste in enumerate(tastes))

        # Both terms have unit deviation in the population, so that neither decides alone.
        score = latencies / latencies.std() + appeal / np.std(appeal)
        return np.where(latencies <= limit, -score, np.inf)

    return cost
