"""Validation of a table by networks that it was not built from.

A network's latency now and at the build differ by the state of the machine. In addition to the raw
error, the drift-corrected one is reported: every latency is divided by the references' latency
around it and multiplied by that in the table.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Backend, Runner
from profiler.instruments.references import time_with_references
from profiler.instruments.timing import quiet, rebuild_runners
from profiler.unseen import limit_at, sample_unseen, searched_networks
from spaces.progress import Progress, silent
from spaces.space import Codes, SearchSpace
from tables.errors import InvalidTable
from tables.lookup_table import LookupTable
from tables.ranks import kendall, spearman

Array = NDArray[np.float64]

PERCENTILES = (10, 50, 90)
"""Percentiles of the range of limits under which networks are searched for."""


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of an estimate over the random networks.

    Args:
        mape_raw: Mean absolute relative error of the measured medians.
        mape: The same with drift correction.
        within_5: Fraction of networks with a drift-corrected error of at most 5%.
        within_10: Fraction of networks with a drift-corrected error of at most 10%.
        largest: Largest absolute relative error, drift-corrected.
        spearman: Spearman's rank correlation with the drift-corrected latencies.
        kendall: Kendall's rank correlation with them.
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
    """Searched networks under one limit.

    Args:
        percentile: Percentile of the range of limits.
        limit_ms: The limit in milliseconds.
        networks: Number of networks.
        within_raw: Number of networks whose measured median is within the limit.
        within: Number of networks whose drift-corrected median is.
    """

    percentile: int
    limit_ms: float
    networks: int
    within_raw: int
    within: int


@dataclass(frozen=True)
class Validation:
    """The results of a validation.

    Args:
        networks: Number of random networks.
        rounds: Number of rounds, which are fewer than requested after an interruption.
        estimate: Accuracy of the cost model.
        block_sum: Accuracy of the plain sum of blocks.
        ceiling_mape: Error that a perfect estimate would have, because the measured medians have
            errors themselves: half the difference of the medians of two halves of the rounds.
        ceiling_spearman: Spearman's rank correlation of two halves of the rounds.
        ceiling_kendall: Kendall's rank correlation of them.
        limits: Results of the searched networks.
        drift: Latency of the references now over that in the table.
        before: Accuracy of an earlier version of the table, by the same networks. None without one.
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
    before: Accuracy | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
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
    least_rounds: int | None = None,
    before: LookupTable | None = None,
) -> Validation:
    """Measure random and searched networks and compare them with the table's estimates.

    Args:
        table: Table with whole networks of the space.
        space: Space of the table.
        backend: Backend under the table's conditions.
        networks: Number of random networks, none of which is in the table.
        searched: Number of searched networks for each limit.
        rounds: Number of rounds.
        seed: Seed of networks and orders.
        correction: Correction of the cost model.
        progress: Called with the fraction of rounds that are done.
        least_rounds: Number of rounds, at least 4, after which Ctrl-C ends the measurement with
            those so far; None: KeyboardInterrupt is always raised.
        before: Earlier version of the table, which is compared with the same networks. None
            compares `table` alone.
    """
    rng = np.random.default_rng(seed)
    model = table.cost_model(space, correction=correction)
    assert model.block_sum is not None
    random = sample_unseen(table, space, networks, rng)
    limits = [limit_at(model, percentile) for percentile in PERCENTILES]
    searched_codes = [searched_networks(model, limit, searched, rng) for limit in limits]

    # All in the same rounds, so that they meet the same states of the machine.
    codes = np.concatenate([random, *searched_codes])
    raw, corrected, drift = measure_networks(
        table, space, backend, codes, rounds, rng, progress, least_rounds
    )
    count = len(random)
    raw_medians = np.median(raw, 1)
    medians = np.median(corrected, 1)
    ceiling_mape, ceiling_spearman, ceiling_kendall = ceiling(corrected[:count])

    def judge(estimates: Array) -> Accuracy:
        return accuracy(estimates, raw_medians[:count], medians[:count])

    results: list[Limit] = []
    begin = count
    for percentile, limit, group in zip(PERCENTILES, limits, searched_codes, strict=True):
        rows = slice(begin, begin + len(group))
        within_raw = int((raw_medians[rows] <= limit).sum())
        within = int((medians[rows] <= limit).sum())
        results.append(Limit(percentile, limit, len(group), within_raw, within))
        begin += len(group)

    return Validation(
        networks=count,
        rounds=raw.shape[1],
        estimate=judge(model.estimate(random)),
        block_sum=judge(model.block_sum(random)),
        ceiling_mape=ceiling_mape,
        ceiling_spearman=ceiling_spearman,
        ceiling_kendall=ceiling_kendall,
        limits=tuple(results),
        drift=drift,
        before=(
            None
            if before is None
            else judge(before.cost_model(space, correction=correction).estimate(random))
        ),
    )


def check_versions(table: LookupTable, before: LookupTable) -> None:
    """Check that two tables are versions of one, so that the same measurements judge both.

    Raises:
        InvalidTable: Space or reference networks are others.
    """
    if before.space != table.space:
        raise InvalidTable(
            f"--before: {before.name!r} is a table of {before.space}, {table.name!r} of"
            f" {table.space}; name an earlier version of the same table"
        )
    if before.measured.reference_codes != table.measured.reference_codes:
        raise InvalidTable(
            f"--before: {before.name!r} and {table.name!r} have other reference networks; name an"
            " earlier version of the same table, or compare both with python -m profiler compare"
        )


def ceiling(latencies: Array) -> tuple[float, float, float]:
    """Return the error and the rank correlations that a perfect estimate would have.

    The medians of all rounds have half the error by which the medians of two halves differ.

    Args:
        latencies: Drift-corrected latencies [n, rounds].

    Returns:
        Mean absolute relative error, and Spearman's and Kendall's rank correlation.
    """
    first, second = (np.median(latencies[:, start::2], 1) for start in (0, 1))
    mape = float(np.abs(first / second - 1).mean() / 2)
    return mape, spearman(first, second), kendall(first, second)


def accuracy(estimates: Array, measured: Array, drift_corrected: Array) -> Accuracy:
    """Return the accuracy of estimates.

    Args:
        estimates: Estimated latencies [n].
        measured: Measured medians [n].
        drift_corrected: Drift-corrected medians [n].
    """
    # A table is judged without the drift of the machine since its build.
    raw_errors = np.abs(estimates / measured - 1)
    errors = np.abs(estimates / drift_corrected - 1)
    return Accuracy(
        mape_raw=float(raw_errors.mean()),
        mape=float(errors.mean()),
        within_5=float(np.mean(errors <= 0.05)),
        within_10=float(np.mean(errors <= 0.10)),
        largest=float(errors.max()),
        spearman=spearman(estimates, drift_corrected),
        kendall=kendall(estimates, drift_corrected),
    )


def measure_networks(
    table: LookupTable,
    space: SearchSpace,
    backend: Backend,
    codes: Codes,
    rounds: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    least_rounds: int | None = None,
) -> tuple[Array, Array, float]:
    """Measure networks in interleaved rounds with the table's references.

    Args:
        table: Table whose reference networks are measured too.
        space: Space of the networks.
        backend: Backend under the table's conditions.
        codes: Codes [n, choices] of the networks.
        rounds: Number of rounds.
        rng: Random generator of the orders.
        progress: Called with the fraction of rounds that are done.
        least_rounds: Number of rounds after which Ctrl-C ends the measurement with those so far;
            None: KeyboardInterrupt is always raised.

    Returns:
        Latencies [n, rounds] in milliseconds, the same in the machine's state at the build, and the
        references' latency now over that in the table.
    """
    measured = table.measured
    references = [space.architecture(row) for row in measured.reference_codes]
    architectures = [*space.decode(codes), *references]

    def make() -> tuple[list[Runner], list[Runner]]:
        runners = rebuild_runners(backend, space, architectures)

        # The references come last, as in `architectures`.
        return runners[: len(codes)], runners[len(codes) :]

    with quiet(int(table.conditions["threads"])):
        raw, states, timed = time_with_references(make, rounds, rng, progress, least_rounds)
    corrected = raw / states * measured.reference_ms
    return raw, corrected, timed.reference_ms / measured.reference_ms
