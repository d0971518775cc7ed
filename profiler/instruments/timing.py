"""Timing on a shared machine: without garbage collection, warmed up, in interleaved rounds."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator, Sequence

import numpy as np

from profiler.backends.base import Backend, Renews, Runner
from profiler.instruments.allocator import keep_memory
from spaces.architecture import Architecture
from spaces.space import SearchSpace

# Runs of a network that is compiled as a whole until it is settled, at least and at most:
# onnxruntime's first ones take up to 7% longer, and where they take a tenth of a millisecond, those
# of the first milliseconds.
_LEAST_SETTLING_RUNS = 8
_MOST_SETTLING_RUNS = 200
_SETTLING_MS = 10.0


@contextlib.contextmanager
def quiet(threads: int | None) -> Iterator[None]:
    """Run a block with the garbage collector off and torch's threads fixed, and restore both.

    The allocator retains freed memory from then on; see `profiler.instruments.allocator`.

    Args:
        threads: Number of torch threads. None leaves it.
    """
    from spaces.threads import fixed_threads

    keep_memory()
    was_collecting = gc.isenabled()

    # Collected before it is off, so that no garbage of the preparation remains.
    gc.collect()
    gc.disable()
    try:
        with fixed_threads(threads):
            yield
    finally:
        if was_collecting:
            gc.enable()


def warm_up(runner: Runner, seconds: float = 2.0, tolerance: float = 0.02) -> float:
    """Run until the medians of three windows of runs agree, or until the time is over.

    Args:
        runner: Network to run.
        seconds: Time limit.
        tolerance: Relative spread of the medians that counts as stable.

    Returns:
        The last window's median in milliseconds.
    """
    end = time.monotonic() + seconds
    medians: list[float] = []
    while True:
        medians.append(float(np.median([runner.whole() for _ in range(5)])))
        last = medians[-3:]

        # A clock that still rises, or caches that still fill, make successive medians differ.
        if len(last) == 3 and max(last) <= (1 + tolerance) * min(last):
            return medians[-1]
        if time.monotonic() > end:
            return medians[-1]


def settle(runner: Runner, backend: Backend) -> Runner:
    """Run a new runner until the slow first runs of its backend are over, and return it."""
    if backend.times_blocks:
        return runner

    elapsed_ms = 0.0
    for run in range(_MOST_SETTLING_RUNS):
        if run >= _LEAST_SETTLING_RUNS and elapsed_ms >= _SETTLING_MS:
            break
        elapsed_ms += runner.whole()
    return runner


def rebuild_runners(
    backend: Backend, space: SearchSpace, architectures: Sequence[Architecture]
) -> list[Runner]:
    """Return settled runners of architectures, which share nothing with earlier runners."""
    if isinstance(backend, Renews):
        backend.renew()
    return [
        settle(backend.network_runner(space, architecture), backend)
        for architecture in architectures
    ]


def runs_for(latency_ms: float, least: int = 3, most: int = 40, target_ms: float = 30.0) -> int:
    """Return the number of runs of one sample: short networks are run more often.

    Args:
        latency_ms: Latency of the network.
        least: Smallest number of runs.
        most: Greatest number of runs.
        target_ms: Duration of a sample that is aimed at.
    """
    return int(np.clip(round(target_ms / max(latency_ms, 1e-6)), least, most))


def warm_up_runs_for(latency_ms: float) -> int:
    """Return the number of untimed runs before a sample.

    Another network has just used the caches. Networks of a tenth of a millisecond become faster
    over a dozen runs, for which two of a longer one suffice. The number is the same for all
    networks that are compared.

    Args:
        latency_ms: Latency of the slowest of them.
    """
    return runs_for(latency_ms, least=2, most=20, target_ms=4.0)


def interleaved(
    runners: Sequence[Runner],
    rounds: int,
    runs: int,
    rng: np.random.Generator,
    warm: int = 2,
    least_rounds: int | None = None,
) -> list[list[float]]:
    """Time several networks fairly: every round times each of them, in a new random order.

    Args:
        runners: Networks to time.
        rounds: Number of rounds.
        runs: Number of timed runs per round, whose median is the sample.
        rng: Random generator of the orders.
        warm: Number of untimed runs before them, because another network has just used the caches.
        least_rounds: Number of rounds after which Ctrl-C ends the measurement with those so far;
            None: KeyboardInterrupt is always raised.

    Returns:
        For each runner its medians [rounds] in milliseconds.
    """
    times: list[list[float]] = [[] for _ in runners]
    finished = 0
    try:
        while finished < rounds:
            for index in rng.permutation(len(runners)):
                runner = runners[index]
                for _ in range(warm):
                    runner.whole()
                times[index].append(float(np.median([runner.whole() for _ in range(runs)])))
            finished += 1

    except KeyboardInterrupt:
        if least_rounds is None or finished < least_rounds:
            raise
        # The unfinished round has timed some of the networks only.
        return [series[:finished] for series in times]

    return times
