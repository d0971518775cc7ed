"""Signs of life: the supervisor restarts a child that hangs, and only that."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from service.processes.pulse import Pulse, make_beat
from service.processes.restarted_child import RestartedChild


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse(clock: Clock) -> Iterator[Pulse]:
    created = Pulse(hang_limit=10, start_limit=30, clock=clock)
    yield created
    created.close_handle()
    created.close()


def seconds_until_lost(pulse: Pulse, clock: Clock) -> float:
    started = clock.now
    while not pulse.is_lost():
        clock.now += 0.5
        assert clock.now < started + 1000
    return clock.now - started


def test_silent_child_is_lost_after_its_limit(pulse: Pulse, clock: Clock) -> None:
    assert seconds_until_lost(pulse, clock) == 30.5
    os.write(pulse.handle, b".")
    assert not pulse.is_lost()
    assert seconds_until_lost(pulse, clock) == 10.5, "it has started"


def test_beating_child_is_never_lost(pulse: Pulse, clock: Clock) -> None:
    for _ in range(100):
        os.write(pulse.handle, b"..")
        clock.now += 0.9
        assert not pulse.is_lost()


def test_time_in_which_the_supervisor_stood_still_does_not_count(
    pulse: Pulse, clock: Clock
) -> None:
    os.write(pulse.handle, b".")
    assert not pulse.is_lost()
    clock.now += 8 * 3600
    assert not pulse.is_lost(), "the machine was suspended"
    assert seconds_until_lost(pulse, clock) == 9.5


def test_beats_do_not_fill_the_pipe(pulse: Pulse, clock: Clock) -> None:
    beat = make_beat(pulse.handle)
    for _ in range(100_000):
        beat()
    assert not pulse.is_lost()
    assert pulse.silence == 0
    make_beat(None)()


class HangingChild:
    """A child that hangs from the beginning."""

    def __init__(self) -> None:
        self.closed = False

    def ending(self) -> str | None:
        return None

    def kill_if_lost(self) -> str | None:
        return "gave no sign of life for 60 s and was killed"

    def close(self) -> None:
        self.closed = True


def test_hanging_child_is_started_again() -> None:
    children: list[HangingChild] = []

    def start() -> Any:
        children.append(HangingChild())
        return children[-1]

    restarted = RestartedChild(start)
    assert restarted.check() is None
    assert restarted.check() == (children[0], "gave no sign of life for 60 s and was killed")
    assert children[0].closed
    assert restarted.check() is None
    assert len(children) == 2
