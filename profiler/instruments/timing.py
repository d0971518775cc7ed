"""Timing on a shared machine: quiet, warmed up, interleaved."""

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

# Runs of a network that is compiled as a whole: onnxruntime's first ones take up to 7% longer.
_SETTLING = 8


@contextlib.contextmanager
def quiet(threads: int | None) -> Iterator[None]:
    """Run a block with the garbage collector off and torch's threads fixed; both are restored.

    The allocator keeps freed memory from then on; see `profiler.instruments.allocator`.
    """
    from spaces.threads import fixed_threads

    keep_memory()
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        with fixed_threads(threads):
            yield
    finally:
        if collecting:
            gc.enable()


def warm_up(runner: Runner, seconds: float = 2.0, within: float = 0.02) -> float:
    """Run until the medians of three windows of runs agree, or until the time is over.

    Args:
        runner: what to run.
        seconds: limit.
        within: relative spread of the medians that counts as stable.

    Returns:
        The last window's median, in milliseconds.
    """
    end = time.monotonic() + seconds
    medians: list[float] = []
    while True:
        medians.append(float(np.median([runner.whole() for _ in range(5)])))
        last = medians[-3:]
        if len(last) == 3 and max(last) <= (1 + within) * min(last):
            return medians[-1]
        if time.monotonic() > end:
            return medians[-1]


def settled(runner: Runner, backend: Backend) -> Runner:
    """A runner that was just made, after as many runs as a fresh one of its backend is slow in."""
    for _ in range(0 if backend.times_blocks else _SETTLING):
        runner.whole()
    return runner


def fresh(
    backend: Backend, space: SearchSpace, architectures: Sequence[Architecture]
) -> list[Runner]:
    """Settled runners of architectures, which share nothing with any that were made before."""
    if isinstance(backend, Renews):
        backend.renew()
    return [settled(backend.network_runner(space, each), backend) for each in architectures]


def runs_for(latency_ms: float, least: int = 3, most: int = 12, target_ms: float = 30.0) -> int:
    """How many runs of a network make one sample: short networks are run more often."""
    return int(np.clip(round(target_ms / max(latency_ms, 1e-6)), least, most))


def interleaved(
    runners: Sequence[Runner], rounds: int, runs: int, rng: np.random.Generator, warm: int = 2
) -> list[list[float]]:
    """Time several networks fairly: in every round each of them, in a fresh order.

    Args:
        runners: what to time.
        rounds: how often each has its turn.
        runs: timed runs a turn, of which the median is kept.
        rng: of the orders.
        warm: untimed runs before, since another network has just used the caches.

    Returns:
        For each runner its [rounds] medians, in milliseconds.
    """
    times: list[list[float]] = [[] for _ in runners]
    for _ in range(rounds):
        for index in rng.permutation(len(runners)):
            runner = runners[index]
            for _ in range(warm):
                runner.whole()
            times[index].append(float(np.median([runner.whole() for _ in range(runs)])))
    return times
