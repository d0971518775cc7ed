"""How well a table predicts networks that it has not seen, and whether searched networks keep their
limit.

A network's time now and its time at the build differ by the state of the machine. Beside the raw
error stands the error after every turn has been divided by the reference networks' time around it,
times the one that the table records.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Backend, Runner
from profiler.instruments.references import beside
from profiler.instruments.timing import fresh, quiet
from spaces.progress import Progress, silent
from spaces.space import Codes, SearchSpace
from tables.cost.evolution import Cost, minimise
from tables.cost.model import CostModel
from tables.lookup_table import LookupTable
from tables.metrics import MARGIN
from tables.ranks import kendall, spearman

Array = NDArray[np.float64]

PERCENTILES = (10, 50, 90)


@dataclass(frozen=True)
class Accuracy:
    """One way of estimating, over the random networks.

    Args:
        mape_raw: mean absolute error over the measured times as they are.
        mape: the same after the reference's drift was divided out.
        within_5: share of networks within 5%, drift divided out.
        within_10: share within 10%.
        largest: the largest absolute error, drift divided out.
        spearman: rank correlation with the measured times.
        kendall: the same by Kendall.
    """

    mape_raw: float
    mape: float
    within_5: float
    within_10: float
    largest: float
    spearman: float
    kendall: float


@dataclass(frozen=True)
class Limit:
    """Searched networks under one limit: how many there are, how many measured within it, raw and
    drift divided out.
    """

    percentile: int
    limit_ms: float
    networks: int
    within_raw: int
    within: int


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Args:
        networks: random networks.
        rounds: turns of each.
        estimate: of the cost model.
        block_sum: of the plain sum of blocks.
        ceiling_mape: what a perfect estimate would be off by, for the measured medians have errors
            of their own: half of what the medians of two halves of the rounds differ by.
        ceiling_spearman: agreement of two halves of the rounds.
        ceiling_kendall: the same by Kendall.
        limits: the searched networks.
        drift: the reference network's time now over the table's.
    """

    networks: int
    rounds: int
    estimate: Accuracy
    block_sum: Accuracy
    ceiling_mape: float
    ceiling_spearman: float
    ceiling_kendall: float
    limits: tuple[Limit, ...]
    drift: float

    def to_dict(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


def validate(
    table: LookupTable,
    space: SearchSpace,
    backend: Backend,
    *,
    networks: int = 30,
    searched: int = 10,
    rounds: int = 20,
    seed: int = 1,
    correction: str = "ridge",
    progress: Progress = silent,
) -> Validation:
    """Measure fresh and searched networks and hold the table's estimates against them.

    Args:
        table: with whole networks of the space.
        space: the table's.
        backend: under the table's conditions.
        networks: random ones, none of them among the table's.
        searched: networks for each limit.
        rounds: turns of each.
        seed: of networks and orders.
        correction: of the cost model.
        progress: told the share that is done.
    """
    rng = np.random.default_rng(seed)
    model = table.cost_model(space, correction=correction)
    random = fresh_networks(table, space, networks, rng)
    limits = [limit_at(model, percentile) for percentile in PERCENTILES]
    found = [searched_networks(model, limit, searched, rng) for limit in limits]
    every = np.concatenate([random, *found])
    raw, even, drift = measure_networks(table, space, backend, every, rounds, rng, progress)
    medians, levelled, count = np.median(raw, 1), np.median(even, 1), len(random)
    starts = count + np.cumsum([0, *map(len, found)])
    assert model.block_sum is not None
    mape, ceiling_spearman, ceiling_kendall = ceiling(even[:count])
    return Validation(
        networks=count,
        rounds=rounds,
        estimate=accuracy(model.estimate(random), medians[:count], levelled[:count]),
        block_sum=accuracy(model.block_sum(random), medians[:count], levelled[:count]),
        ceiling_mape=mape,
        ceiling_spearman=ceiling_spearman,
        ceiling_kendall=ceiling_kendall,
        limits=tuple(
            Limit(
                percentile,
                limit,
                end - begin,
                int((medians[begin:end] <= limit).sum()),
                int((levelled[begin:end] <= limit).sum()),
            )
            for percentile, limit, begin, end in zip(
                PERCENTILES, limits, starts[:-1].tolist(), starts[1:].tolist(), strict=True
            )
        ),
        drift=drift,
    )


def ceiling(even: Array) -> tuple[float, float, float]:
    """What a perfect estimate of times [n, rounds] would be off by, and how two halves of the
    rounds rank alike.

    The medians of all rounds are off by half of what those of the halves differ by. Ranks: by
    Spearman and by Kendall.
    """
    first, second = (np.median(even[:, part::2], 1) for part in (0, 1))
    return (
        float(np.abs(first / second - 1).mean() / 2),
        spearman(first, second),
        kendall(first, second),
    )


def accuracy(estimates: Array, measured: Array, levelled: Array) -> Accuracy:
    """Errors and ranks of estimates [n] beside measured times [n], as they are and with the drift
    divided out.
    """
    raw, even = np.abs(estimates / measured - 1), np.abs(estimates / levelled - 1)
    return Accuracy(
        mape_raw=float(raw.mean()),
        mape=float(even.mean()),
        within_5=float(np.mean(even <= 0.05)),
        within_10=float(np.mean(even <= 0.10)),
        largest=float(even.max()),
        spearman=spearman(estimates, levelled),
        kendall=kendall(estimates, levelled),
    )


def fresh_networks(
    table: LookupTable, space: SearchSpace, count: int, rng: np.random.Generator
) -> Codes:
    """Codes [at most count, choices] of random networks, each once, none of them among the
    table's.
    """
    known = {tuple(row) for row in table.network_latencies()[0].tolist()}
    rows: dict[tuple[int, ...], None] = {}
    for row in map(tuple, space.sample(rng, 50 * count).tolist()):
        if row not in known and len(rows) < count:
            rows[row] = None
    return np.asfortranarray(
        np.array(list(rows), dtype=space.dtype).reshape(-1, len(space.choices))
    )


def limit_at(model: CostModel, percentile: float) -> float:
    """The limit at a percentile of the range of limits, from the least that can be promised to the
    greatest cost.
    """
    least, greatest = model.bounds()
    reach = least.value + MARGIN * (model.sigma or 0.0)
    return reach + percentile / 100 * max(0.0, greatest.value - reach)


def searched_networks(
    model: CostModel, limit: float, count: int, rng: np.random.Generator
) -> Codes:
    """Codes [at most count, choices] of networks as searches return them: against the limit, with
    the margin kept.

    Each is the best of an evolution whose guide likes costlier networks and, at random, some
    candidates: like accuracy, which grows with cost but not with cost alone. So it finds what the
        model takes for cheap.

    Args:
        model: its estimate + 1.64 sigma stays within `limit`.
        limit: in milliseconds.
        count: evolutions.
        rng: of the guides and the evolutions.
    """
    space = model.space
    least = space.encode([model.bounds()[0].architecture])
    found: dict[tuple[int, ...], None] = {}
    for _ in range(count):
        tastes = [rng.normal(size=candidates) for candidates in space.candidates]
        codes, _ = minimise(
            space,
            _searched_cost(model, limit, tastes),
            rng,
            least,
            initial_size=511,
            num_children=256,
            generations=30,
            mutation_probability=0.1,
        )
        best = codes[0]
        if model.upper(best[None])[0] <= limit:
            found[tuple(map(int, best))] = None
    return np.asfortranarray(
        np.array(list(found), dtype=space.dtype).reshape(-1, len(space.choices))
    )


def _searched_cost(model: CostModel, limit: float, tastes: list[Array]) -> Cost:
    def cost(codes: Codes) -> Array:
        latencies = model.upper(codes)
        appeal = sum(taste[codes[:, column]] for column, taste in enumerate(tastes))
        # Both terms have unit deviation in the population, so that neither decides alone.
        score = latencies / latencies.std() + appeal / np.std(appeal)
        return np.where(latencies <= limit, -score, np.inf)

    return cost


def measure_networks(
    table: LookupTable,
    space: SearchSpace,
    backend: Backend,
    codes: Codes,
    rounds: int,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> tuple[Array, Array, float]:
    """Measure networks in interleaved rounds beside the table's reference.

    Args:
        table: its references are measured too.
        space: of the codes.
        backend: under the table's conditions.
        codes: [n, choices].
        rounds: turns of each.
        rng: of the orders.
        progress: told the share that is done.

    Returns:
        Times [n, rounds] in milliseconds, the same in the machine's state at the build, and the
        references' time now over the table's.
    """
    measured = table.measured
    references = [space.architecture(row) for row in measured.reference_codes]
    architectures = [*space.decode(codes), *references]

    def make() -> tuple[list[Runner], list[Runner]]:
        runners = fresh(backend, space, architectures)
        return runners[: len(codes)], runners[len(codes) :]

    with quiet(int(table.conditions["threads"])):
        raw, states, around = beside(make, rounds, rng, progress)
    return raw, raw / states * measured.reference_ms, around.reference_ms / measured.reference_ms
