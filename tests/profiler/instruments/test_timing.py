"""Timing: quiet, warmed up, interleaved."""

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from profiler.instruments.timing import (
    interleaved,
    quiet,
    runs_for,
    settle,
    warm_up,
    warm_up_runs_for,
)
from profiler.measurement import measure


class Told:
    """A runner that gives the times it was told, over and over, and remembers when it ran."""

    def __init__(self, times: list[float], log: list[str] | None = None, name: str = ""):
        self.times, self.count, self.log, self.name = times, 0, log if log is not None else [], name

    def whole(self) -> float:
        self.count += 1
        self.log.append(self.name)
        return self.times[(self.count - 1) % len(self.times)]

    def blocks(self) -> list[float]:
        return [self.whole()]


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.parametrize("collecting", [True, False])
def test_quiet_restores_what_it_changed(collecting: bool) -> None:
    if not collecting:
        gc.disable()
    with quiet(2):
        assert torch.get_num_threads() == 2
        assert not gc.isenabled()
    assert torch.get_num_threads() == 1
    assert gc.isenabled() is collecting


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_quiet_restores_after_an_error(error: type[BaseException]) -> None:
    with pytest.raises(error), quiet(2):
        raise error
    assert torch.get_num_threads() == 1
    assert gc.isenabled()


def test_quiet_leaves_threads_that_are_not_given() -> None:
    with quiet(None):
        assert torch.get_num_threads() == 1


def test_warm_up_ends_when_times_agree() -> None:
    cold = Told([9.0] * 5 + [6.0] * 5 + [5.0] * 1000)
    assert warm_up(cold) == 5.0
    assert cold.count == 25  # five windows of five: three that agree after two that do not
    disturbed = Told([5.0, 5.0, 80.0, 5.0, 5.0])
    assert warm_up(disturbed) == 5.0
    assert disturbed.count == 15


def test_warm_up_ends_when_times_never_agree() -> None:
    growing = Told([float(number) for number in range(1, 10**6)])
    assert warm_up(growing, seconds=0.02, tolerance=1e-9) > 1
    assert growing.count >= 15


@pytest.mark.parametrize(
    ("latency_ms", "runs"),
    [(0.0, 40), (0.01, 40), (1.0, 30), (2.5, 12), (5.0, 6), (10.0, 3), (300.0, 3), (1e9, 3)],
)
def test_short_networks_run_more_often(latency_ms: float, runs: int) -> None:
    assert runs_for(latency_ms) == runs


@pytest.mark.parametrize(("latency_ms", "runs"), [(0.1, 20), (0.5, 8), (2.0, 2), (300.0, 2)])
def test_short_networks_need_more_runs_until_the_caches_are_theirs(
    latency_ms: float, runs: int
) -> None:
    assert warm_up_runs_for(latency_ms) == runs


@pytest.mark.parametrize(
    ("latency_ms", "times_blocks", "runs"),
    [(0.0, False, 200), (0.1, False, 100), (3.0, False, 8), (0.1, True, 0)],
)
def test_new_networks_settle_for_a_time_and_a_number_of_runs(
    latency_ms: float, times_blocks: bool, runs: int, fake: Any
) -> None:
    backend = fake(1)
    backend.times_blocks = times_blocks
    runner = Told([latency_ms])

    assert settle(runner, backend) is runner
    assert abs(runner.count - runs) <= 1


def test_every_round_runs_each_once_in_a_fresh_order() -> None:
    log: list[str] = []
    runners = [Told([float(index)], log, name) for index, name in enumerate("abc")]
    times = interleaved(runners, rounds=40, runs=3, rng=np.random.default_rng(0), warm=2)
    assert times == [[0.0] * 40, [1.0] * 40, [2.0] * 40]
    turns = [log[start : start + 5] for start in range(0, len(log), 5)]
    assert all(len(set(turn)) == 1 for turn in turns)
    rounds = [
        "".join(turn[0] for turn in turns[start : start + 3]) for start in range(0, len(turns), 3)
    ]
    assert len(rounds) == 40
    assert {"".join(sorted(order)) for order in rounds} == {"abc"}
    assert len(set(rounds)) == 6


def test_a_turn_gives_the_median_of_its_timed_runs() -> None:
    # Two untimed runs, then three: 100 and 200 count for nothing, the disturbed 50 does not either.
    (times,) = interleaved(
        [Told([100.0, 200.0, 1.0, 50.0, 2.0])], rounds=4, runs=3, rng=np.random.default_rng(0)
    )
    assert times == [2.0] * 4


def test_orders_come_from_the_generator_alone() -> None:
    def order(seed: int) -> list[str]:
        log: list[str] = []
        interleaved(
            [Told([1.0], log, name) for name in "abcd"], 5, 1, np.random.default_rng(seed), warm=0
        )
        return log

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_measure_gives_median_and_spread() -> None:
    # 8 runs a turn and 2 warm ones: with a cycle of 10 each turn sees the same.
    steady = Told([4.0])
    found = measure({"steady": steady, "wide": Told([1.0, 3.0])}, threads=1, rounds=10)
    assert (found["steady"].latency_ms, found["steady"].iqr_ms) == (4.0, 0.0)
    assert 1.0 <= found["wide"].latency_ms <= 3.0
    assert found["steady"].to_dict() == {"latency_ms": 4.0, "iqr_ms": 0.0}
    assert torch.get_num_threads() == 1
    assert gc.isenabled()


@pytest.mark.parametrize("finished", [2, 3, 7])
def test_an_interruption_keeps_the_finished_rounds(finished: int) -> None:
    runners = [
        Interrupted(1.0, calls=5 * finished + 2),
        Interrupted(2.0, calls=10**6),
    ]

    def measure(least_rounds: int | None) -> list[list[float]]:
        runners[0].calls = 5 * finished + 2
        rng = np.random.default_rng(0)
        return interleaved(runners, rounds=20, runs=3, rng=rng, least_rounds=least_rounds)

    if finished >= 3:
        assert measure(3) == [[1.0] * finished, [2.0] * finished]
    else:
        with pytest.raises(KeyboardInterrupt):
            measure(3)
    with pytest.raises(KeyboardInterrupt):
        measure(None)


class Interrupted:
    """A network during whose run Ctrl-C is pressed after some runs."""

    def __init__(self, latency_ms: float, calls: int):
        self.latency_ms = latency_ms
        self.calls = calls

    def whole(self) -> float:
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt
        return self.latency_ms

    def blocks(self) -> list[float]:
        return [self.whole()]
