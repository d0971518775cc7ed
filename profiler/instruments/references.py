"""The machine's state, as networks tell it that are timed again and again between others.

A shared machine changes its speed within seconds: on one, a network of 15 ms took 22 ms for seconds
at a time. What is timed between two turns of the references is divided by their time around it, not
by that of a whole round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Runner
from profiler.instruments.timing import runs_for, warm_up
from spaces.progress import Progress, silent

Array = NDArray[np.float64]

LIFE = 4
"""Rounds that ready networks are kept for."""

WARM = 2
"""Untimed runs of a turn, since another network has just used the caches: as many for all that are
compared.
"""

_WINDOWS = (1, 2, 4, 8, 16, 32)  # turns on either side that a state may be the median of


class References:
    """Networks that take turns between others.

    One takes the turn before whatever is timed first and one after each; a gap is the place between
    two turns, and `gap` that of what is timed next.

    Args:
        runners: of the reference networks.
        runs: timed runs of a turn, of which the median is kept.
    """

    def __init__(self, runners: Sequence[Runner], runs: int):
        self.runners: Sequence[Runner] = list(runners)
        self.runs = runs
        self.times: list[float] = []

    @property
    def gap(self) -> int:
        """The number of turns so far."""
        return len(self.times)

    def turn(self) -> None:
        """Time the reference whose turn it is."""
        runner = self.runners[self.gap % len(self.runners)]
        for _ in range(WARM):
            runner.whole()
        self.times.append(float(np.median([runner.whole() for _ in range(self.runs)])))

    @property
    def reference_ms(self) -> float:
        """What the references take, their mean, in the state that is the median of all turns."""
        even, shares = self._even()
        return float(np.median(even) * shares.mean())

    def states(self) -> Array:
        """What the references would take in each gap, their mean in milliseconds, [turns + 1].

        The median of the turns around a gap; of how many is chosen by what foretells a turn best by
        those around it: few where the state jumps, many where a turn is merely noisy.
        """
        even, shares = self._even()
        window = _best_window(np.log(even))
        return np.asarray(
            np.median(even[_around(len(even) + 1, len(even), window)], axis=1) * shares.mean()
        )

    def _even(self) -> tuple[Array, Array]:
        """Turns' times [turns] as if all were the same network, and what each takes of that one's
        time [references].

        Compared within cycles of turns: over all turns one network's median may be of the machine's
        slow state and another's of its fast one.
        """
        logs, count = np.log(np.array(self.times)), len(self.runners)
        cycles = logs[: len(logs) // count * count].reshape(-1, count)
        offsets = (
            np.median(cycles - cycles.mean(1, keepdims=True), axis=0)
            if len(cycles)
            else np.zeros(count)
        )
        return np.exp(logs - np.resize(offsets, len(logs))), np.exp(offsets)


def beside(
    make: Callable[[], tuple[Sequence[Runner], Sequence[Runner]]],
    rounds: int,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> tuple[Array, Array, References]:
    """Time networks in interleaved rounds, a reference after each.

    Every few rounds all are made anew: where one lies in memory makes it some percent faster or
    slower.

    Args:
        make: what to time, and the references.
        rounds: how often each has its turn.
        rng: of the orders.
        progress: told the share that is done.

    Returns:
        Times [n, rounds] in milliseconds, and what the references took around each, [n, rounds];
        the references.
    """
    runners, others = make()
    runs = runs_for(max(warm_up(runner, seconds=1.0) for runner in others))
    references = References(others, max(2, runs // 2))
    times, gaps = np.empty((len(runners), rounds)), np.empty((len(runners), rounds), dtype=np.int64)
    references.turn()
    for number in range(rounds):
        if number and number % LIFE == 0:
            runners, references.runners = [], []
            runners, references.runners = make()
        for index in rng.permutation(len(runners)):
            for _ in range(WARM):
                runners[index].whole()
            gaps[index, number] = references.gap
            times[index, number] = np.median([runners[index].whole() for _ in range(runs)])
            references.turn()
        progress((number + 1) / rounds, f"round {number + 1} of {rounds}")
    return times, references.states()[gaps], references


def _around(gaps: int, turns: int, window: int) -> NDArray[np.int64]:
    """The turns [gaps, 2 window] around each gap; at the ends the nearest that many."""
    width = min(2 * window, turns)
    start = np.clip(np.arange(gaps) - window, 0, turns - width)
    return start[:, None] + np.arange(width)


def _best_window(logs: Array) -> int:
    """The window whose median foretells turns [n] best, each by the others around it."""
    best, least = _WINDOWS[0], np.inf
    for window in _WINDOWS:
        if 2 * window >= len(logs):
            break
        around = _around(len(logs), len(logs) - 1, window)
        around += around >= np.arange(len(logs))[:, None]
        error = float(np.abs(logs - np.median(logs[around], axis=1)).mean())
        if error < least:
            best, least = window, error
    return best
