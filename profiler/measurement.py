"""Measuring whole networks, beside a table's estimate where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from profiler.backends.base import Backend, Runner
from profiler.timing import interleaved, quiet, runs_for, warm_up
from spaces.architecture import Architecture
from spaces.registry import get
from tables.lookup_table import LookupTable


@dataclass(frozen=True)
class Latency:
    """What one network was measured at.

    Args:
        latency_ms: median over rounds.
        iqr_ms: inter-quartile range over rounds.
        rounds: how many.
        normalised_ms: the median times (the table's reference time / the reference's time now): the latency that the
            device would have had in the state it was in when the table was built; None without a table.
    """

    latency_ms: float
    iqr_ms: float
    rounds: int
    normalised_ms: float | None = None


def measure(runners: Mapping[str, Runner], *, threads: int, rounds: int = 20, seed: int = 0) -> dict[str, Latency]:
    """Time several ready networks in interleaved rounds.

    Args:
        runners: name -> what to time.
        threads: torch threads on the processor.
        rounds: turns of each.
        seed: of the orders.
    """
    with quiet(threads):
        slowest = max(warm_up(runner, seconds=1.0) for runner in runners.values())
        times = interleaved(list(runners.values()), rounds, runs_for(slowest), np.random.default_rng(seed))
    found = {}
    for name, series in zip(runners, times, strict=True):
        low, middle, high = np.percentile(series, [25, 50, 75])
        found[name] = Latency(float(middle), float(high - low), rounds)
    return found


def measure_architectures(
    architectures: Sequence[Architecture],
    backend: Backend,
    *,
    threads: int,
    table: LookupTable | None = None,
    rounds: int = 20,
    seed: int = 0,
) -> list[Latency]:
    """Time the networks of architectures, and with a table its reference network beside them.

    Args:
        architectures: what to time.
        backend: how.
        threads: torch threads on the processor.
        table: gives the reference network that drift since the build is told by.
        rounds: turns of each.
        seed: of the orders.
    """
    runners = {
        str(index): backend.runner(get(architecture.space).blocks(architecture))
        for index, architecture in enumerate(architectures)
    }
    if table is not None:
        space = get(table.space)
        runners["reference"] = backend.runner(space.blocks(space.architecture(table.measurement.reference_codes)))
    found = measure(runners, threads=threads, rounds=rounds, seed=seed)
    if table is None:
        return list(found.values())
    drift = table.measurement.reference_ms / found.pop("reference").latency_ms
    return [Latency(each.latency_ms, each.iqr_ms, each.rounds, each.latency_ms * drift) for each in found.values()]
