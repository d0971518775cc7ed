"""Measurement of the few networks that a device's table is adapted by."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Backend, Runner
from profiler.instruments.references import time_with_references
from profiler.instruments.timing import quiet, rebuild_runners
from spaces.progress import Progress, silent
from spaces.space import Codes, SearchSpace
from tables.medians import relative_errors
from tables.records import Measurement, NetworkSample

Array = NDArray[np.float64]

LEAST_ROUNDS = 4
"""Fewest rounds whose medians a table is adapted by."""

_MOST_ROUNDS = 40

_NUM_REFERENCES = 3


@dataclass(frozen=True)
class MeasuredNetworks:
    """Whole networks that were measured on a new device.

    Args:
        codes: Codes [n, choices] of the networks.
        latency_ms: Drift-corrected median latencies [n] in milliseconds.
        measurement: Circumstances of the measurement.
        samples: Raw samples, one of each network in each round.
    """

    codes: Codes
    latency_ms: Array
    measurement: Measurement
    samples: tuple[NetworkSample, ...]


def measure_designed(
    space: SearchSpace,
    backend: Backend,
    codes: Codes,
    *,
    budget_s: float,
    threads: int,
    seed: int,
    progress: Progress = silent,
) -> MeasuredNetworks:
    """Measure networks in interleaved rounds, with reference networks between them.

    Ctrl-C ends the measurement with the rounds so far, if there are `LEAST_ROUNDS`.

    Args:
        space: Space of the networks.
        backend: Backend that runs them.
        codes: Codes [n, choices] of the networks.
        budget_s: Seconds after which no further round begins.
        threads: Number of torch threads on the processor.
        seed: Seed of the reference networks and of the orders.
        progress: Called after every round with the fraction of the budget that is spent.
    """
    rng = np.random.default_rng(seed)
    reference_codes = space.sample(rng, _NUM_REFERENCES)
    architectures = [*space.decode(codes), *space.decode(reference_codes)]

    def make() -> tuple[list[Runner], list[Runner]]:
        runners = rebuild_runners(backend, space, architectures)
        # The references come last, as in `architectures`.
        return runners[: len(codes)], runners[len(codes) :]

    is_complete = False

    def report(fraction: float, state: str, /) -> None:
        nonlocal is_complete
        is_complete = fraction >= 1
        progress(fraction, state)

    begin = time.monotonic()
    with quiet(threads):
        times, states, references = time_with_references(
            make, _MOST_ROUNDS, rng, report, LEAST_ROUNDS, budget_s
        )
    seconds = time.monotonic() - begin

    corrected = times / states * references.reference_ms
    measurement = Measurement(
        rounds=times.shape[1],
        seconds=round(seconds, 2),
        budget_s=budget_s,
        stopped_by="budget" if is_complete else "interrupt",
        standard_error=round(float(relative_errors(corrected).max()), 5),
        reference_codes=tuple(tuple(map(int, row)) for row in reference_codes),
        reference_ms=round(references.reference_ms, 6),
        blocks="adapted",
    )
    return MeasuredNetworks(
        codes, np.median(corrected, axis=1), measurement, _samples(codes, times, states)
    )


def _samples(codes: Codes, times: Array, states: Array) -> tuple[NetworkSample, ...]:
    return tuple(
        NetworkSample(
            tuple(map(int, row)),
            number,
            (round(float(times[index, number]), 6),),
            round(float(states[index, number]), 6),
        )
        for number in range(times.shape[1])
        for index, row in enumerate(codes)
    )
