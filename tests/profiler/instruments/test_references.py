"""The machine's state between turns of the references."""

from dataclasses import dataclass, field
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from profiler.instruments.references import (
    ROUNDS_PER_BUILD,
    References,
    time_with_references,
)


@dataclass
class Machine:
    """Runs networks; every run ends a tick later, and the state that `speed` tells of a tick
    multiplies its time.
    """

    speed: NDArray[np.float64]
    noise: float = 0.0
    seed: int = 0
    ticks: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def network(self, ms: float) -> "Network":
        """Takes `ms` in state 1."""
        return Network(self, ms)


@dataclass
class Network:
    """One of them."""

    machine: Machine
    ms: float

    def whole(self) -> float:
        """A run."""
        machine = self.machine
        return float(
            self.ms
            * machine.speed[next(machine.ticks)]
            * np.exp(machine.noise * machine.rng.standard_normal())
        )

    def blocks(self) -> list[float]:
        """None is told."""
        raise AssertionError


def jumping(ticks: int, seed: int, stay: int, slow: float = 1.43) -> NDArray[np.float64]:
    """A machine that is fast or slow for about `stay` ticks at a time."""
    rng = np.random.default_rng(seed)
    flips = np.cumsum(rng.random(ticks) < 1 / stay) % 2
    return np.where(flips == 1, slow, 1.0)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_a_machine_that_jumps_between_two_speeds_is_told_as_one_that_does_not(seed: int) -> None:
    machine = Machine(jumping(20_000, seed, 120), 0.01, seed)
    truth = np.linspace(8, 14, 10)
    made: list[int] = []

    def make() -> tuple[list[Network], list[Network]]:
        made.append(1)
        return [machine.network(ms) for ms in truth], [
            machine.network(ms) for ms in (9.0, 10.0, 12.5)
        ]

    raw, states, references = time_with_references(make, 40, np.random.default_rng(seed))
    assert len(made) == 40 / ROUNDS_PER_BUILD
    # The state at which times are told is either speed, or one between: the same for all.
    even = np.median(raw / states, axis=1)
    assert even / even.mean() == pytest.approx(truth / truth.mean(), rel=0.02)
    assert np.std(raw[0]) > 5 * np.median(np.abs(raw[0] / states[0] / even[0] - 1))
    assert 10.4 < references.reference_ms < 10.6 * 1.44
    again = even * references.reference_ms
    assert again / truth == pytest.approx(references.reference_ms / 10.5, rel=0.02)


def test_the_references_own_times_are_told_apart_from_the_state() -> None:
    machine = Machine(np.ones(1000))
    references = References([machine.network(ms) for ms in (5.0, 10.0, 15.0)], 2)
    for _ in range(7):
        references.time_next()
    assert references.interval == 7
    mean = 10.0
    # Compared by ratios: the networks' mean is of the state's, to the digit where nothing disturbs.
    assert references.states() == pytest.approx(np.full(8, mean))
    assert references.reference_ms == pytest.approx(mean)


def test_before_every_reference_had_a_turn_there_is_a_state() -> None:
    machine = Machine(np.ones(100))
    references = References([machine.network(10.0) for _ in range(3)], 2)
    references.time_next()
    assert references.states() == pytest.approx([10, 10])
    references.time_next()
    assert references.states() == pytest.approx([10, 10, 10])


def test_noise_is_smoothed_where_the_machine_is_steady() -> None:
    machine = Machine(np.ones(100_000), noise=0.05)
    references = References([machine.network(10.0) for _ in range(3)], 2)
    for _ in range(600):
        references.time_next()
    deviations = references.states() / references.reference_ms - 1
    assert np.std(deviations) < 0.012  # a turn's own: .05 / sqrt(2)


def test_single_disturbed_turns_are_passed_over() -> None:
    machine = Machine(np.ones(100_000), noise=0.01)
    references = References([machine.network(10.0) for _ in range(3)], 2)
    for _ in range(90):
        references.time_next()
    references.times[30] *= 20
    references.times[61] *= 20
    assert np.abs(references.states() / 10 - 1).max() < 0.03


def test_every_network_has_its_turn_between_two_of_the_references() -> None:
    log: list[str] = []

    @dataclass
    class Told:
        name: str

        def whole(self) -> float:
            log.append(self.name)
            return 1.0

        def blocks(self) -> list[float]:
            raise AssertionError

    told: list[tuple[float, str]] = []
    names = iter(["a1", "b1", "r0", "r1", "a2", "b2", "s0", "s1"])

    def make() -> tuple[list[Told], list[Told]]:
        first, second, *others = (Told(next(names)) for _ in range(4))
        return [first, second], others

    raw, states, references = time_with_references(
        make, ROUNDS_PER_BUILD + 1, np.random.default_rng(0), lambda *state: told.append(state)
    )
    assert raw.shape == states.shape == (2, ROUNDS_PER_BUILD + 1)
    assert references.interval == 1 + 2 * (ROUNDS_PER_BUILD + 1)
    begin = (
        next(index for index, name in enumerate(log) if name[0] in "ab")
        - references.runs
        - references.warm_up_runs
    )
    turns = [
        name
        for name, before in zip(log[begin:], ["", *log[begin:]], strict=False)
        if name != before
    ]
    assert turns[0 : 2 * 2 * ROUNDS_PER_BUILD + 1 : 2] == ["r0", "r1"] * (
        2 * ROUNDS_PER_BUILD // 2
    ) + ["r0"]
    assert sorted(turns[1:5:2]) == ["a1", "b1"]
    assert sorted(turns[-4::2]) == ["a2", "b2"]
    assert turns[-3::2] == ["s1", "s0"]
    assert log.count("a2") == references.warm_up_runs + 30
    assert told[0] == (1 / (ROUNDS_PER_BUILD + 1), f"round 1 of {ROUNDS_PER_BUILD + 1}")
    assert told[-1][0] == 1.0
