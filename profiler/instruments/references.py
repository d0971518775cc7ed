"""The machine's state, by reference networks that are timed repeatedly between others.

A shared machine changes its speed within seconds: on one, a network of 15 ms took 22 ms for seconds
at a time. A latency between two reference runs is therefore divided by the references' latency
around it, not by that of a whole round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Runner
from profiler.instruments.timing import runs_for, warm_up, warm_up_runs_for
from spaces.progress import Progress, silent

Array = NDArray[np.float64]

ROUNDS_PER_BUILD = 4
"""Rounds after which runners are rebuilt."""

# Reference runs on either side of an interval that its state may be the median of.
_WINDOWS = (1, 2, 4, 8, 16, 32)


class References:
    """Reference networks that are timed in turn between others.

    One is timed before the first other network and one after each. An interval is the time between
    two reference runs, and `interval` the number of the current one.

    Args:
        runners: The reference networks.
        runs: Number of timed runs of one sample, whose median is used.
        warm_up_runs: Number of untimed runs before them.
    """

    def __init__(self, runners: Sequence[Runner], runs: int, warm_up_runs: int = 2):
        self.runners: Sequence[Runner] = list(runners)
        self.runs = runs
        self.warm_up_runs = warm_up_runs
        self.times: list[float] = []

    @property
    def interval(self) -> int:
        """Number of the current interval: the number of reference runs so far."""
        return len(self.times)

    def time_next(self) -> None:
        """Time the next reference network in the cycle."""
        runner = self.runners[self.interval % len(self.runners)]
        for _ in range(self.warm_up_runs):
            runner.whole()
        self.times.append(float(np.median([runner.whole() for _ in range(self.runs)])))

    def time_other(self, runner: Runner, runs: int) -> tuple[int, float]:
        """Time another network, and then the next reference.

        Args:
            runner: The other network.
            runs: Number of its timed runs, whose median is used.

        Returns:
            The interval in which it was timed, and its latency in milliseconds.
        """
        for _ in range(self.warm_up_runs):
            runner.whole()
        interval = self.interval
        latency_ms = float(np.median([runner.whole() for _ in range(runs)]))
        self.time_next()
        return interval, latency_ms

    @property
    def reference_ms(self) -> float:
        """The references' mean latency in the state that is the median of all runs."""
        common, factors = self._common_times()
        return float(np.median(common) * factors.mean())

    def states(self) -> Array:
        """Return the references' mean latency in every interval, [runs + 1], in milliseconds.

        It is the median over a window of reference runs around the interval. The window size with
        the smallest leave-one-out error is used: small where the state jumps, large where runs are
        merely noisy.
        """
        common, factors = self._common_times()
        window = _best_window(np.log(common))
        neighbours = _neighbours(len(common) + 1, len(common), window)
        return np.asarray(np.median(common[neighbours], axis=1) * factors.mean())

    def _common_times(self) -> tuple[Array, Array]:
        """Return the runs' times [runs] on a common scale, and each network's factor [references].

        Networks are compared within cycles: over all runs, the median of one network may be from
        the machine's slow state and that of another from its fast one.
        """
        logs = np.log(np.array(self.times))
        count = len(self.runners)
        cycles = logs[: len(logs) // count * count].reshape(-1, count)
        offsets = np.zeros(count)
        if len(cycles):
            offsets = np.median(cycles - cycles.mean(1, keepdims=True), axis=0)
        return np.exp(logs - np.resize(offsets, len(logs))), np.exp(offsets)


def time_with_references(
    make: Callable[[], tuple[Sequence[Runner], Sequence[Runner]]],
    rounds: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    least_rounds: int | None = None,
    budget_s: float | None = None,
) -> tuple[Array, Array, References]:
    """Time networks in interleaved rounds, with a reference run after each network.

    Every `ROUNDS_PER_BUILD` rounds all runners are rebuilt, because a network's position in memory
    makes it some percent faster or slower.

    Args:
        make: Function that returns the networks to time and the references.
        rounds: Number of rounds.
        rng: Random generator of the orders.
        progress: Called with the fraction of rounds, or of the budget, that is done.
        least_rounds: Number of rounds after which Ctrl-C ends the measurement with those so far;
            None: KeyboardInterrupt is always raised.
        budget_s: Seconds after which no further round begins, once `least_rounds` are done. None:
            all rounds are measured.

    Returns:
        Latencies [n, rounds] in milliseconds, the references' latency [n, rounds] around each, and
        the references.
    """
    runners, reference_runners = make()
    references, runs = _warm_references(reference_runners)
    times = np.empty((len(runners), rounds))
    intervals = np.empty((len(runners), rounds), dtype=np.int64)

    references.time_next()
    begin = time.monotonic()
    finished = 0
    try:
        for number in range(rounds):
            if number and number % ROUNDS_PER_BUILD == 0:
                # The old runners are freed first, so that memory holds one set at a time.
                runners = []
                references.runners = []
                runners, references.runners = make()

            for index in rng.permutation(len(runners)):
                interval, latency_ms = references.time_other(runners[index], runs)
                intervals[index, number] = interval
                times[index, number] = latency_ms

            finished = number + 1
            spent = 0.0 if budget_s is None else (time.monotonic() - begin) / budget_s
            progress(min(max(finished / rounds, spent), 1.0), f"round {finished} of {rounds}")
            if spent >= 1 and finished >= (least_rounds or 1):
                break

    except KeyboardInterrupt:
        if least_rounds is None or finished < least_rounds:
            raise

    # An unfinished round has timed some of the networks only.
    return times[:, :finished], references.states()[intervals[:, :finished]], references


def _warm_references(runners: Sequence[Runner]) -> tuple[References, int]:
    """Warm references up; return them, and the number of timed runs for the other networks."""
    slowest = max(warm_up(runner, seconds=1.0) for runner in runners)
    runs = runs_for(slowest)
    # References are timed after every network, so that half the runs of one are enough.
    return References(runners, max(2, runs // 2), warm_up_runs_for(slowest)), runs


def _neighbours(intervals: int, runs: int, window: int) -> NDArray[np.int64]:
    """Return the reference runs [intervals, 2 window] around each interval.

    At the ends they are the nearest runs, equally many.
    """
    width = min(2 * window, runs)
    start = np.clip(np.arange(intervals) - window, 0, runs - width)
    return start[:, None] + np.arange(width)


def _best_window(logs: Array) -> int:
    """Return the window whose median predicts each run [n] best from those around it."""
    best = _WINDOWS[0]
    least = np.inf
    for window in _WINDOWS:
        if 2 * window >= len(logs):
            break

        # Leave-one-out: among n - 1 others, indices from the run itself on move up by one.
        neighbours = _neighbours(len(logs), len(logs) - 1, window)
        neighbours += neighbours >= np.arange(len(logs))[:, None]
        error = float(np.abs(logs - np.median(logs[neighbours], axis=1)).mean())
        if error < least:
            best = window
            least = error

    return best
