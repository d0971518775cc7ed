"""Tables of networks of text: both phases in one table, estimates, limits, interruptions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import profiler
import spaces
from oneshot.errors import Infeasible
from oneshot.search.constraint import Limit
from profiler.errors import IncompleteMeasurement
from profiler.phases import by_phase
from profiler.validation import validate
from spaces.space import SearchSpace
from tables.errors import MissingFigures
from tables.lookup_table import LookupTable

CONDITIONS = {"backend": "fake", "batch": 2, "precision": "fp32", "threads": 1}
LENGTHS = {"prompt": 12, "cache": 10}


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return spaces.get("decoder-tiny")


def build(space: SearchSpace, backend: Any, **conditions: int) -> LookupTable:
    return profiler.build(
        space,
        backend,
        profiler.Settings(budget_s=0.1, fewest_networks=1),
        name="text",
        device={"kind": "cpu", "processor": "made-up"},
        conditions={**CONDITIONS, **conditions},
        command="build",
    )


@pytest.fixture(scope="module")
def table(space: SearchSpace, fake: Callable[..., Any]) -> LookupTable:
    return build(space, fake(3), **LENGTHS)


def test_table_has_the_blocks_of_both_phases(space: SearchSpace, table: LookupTable) -> None:
    prefill = space.at_phase("prefill", 12).all_blocks
    decode = space.at_phase("decode", 10).all_blocks
    assert set(table.blocks) == set(prefill) | set(decode)
    assert not set(prefill) & set(decode)
    assert {"prompt": 12, "cache": 10}.items() <= table.conditions.items()
    assert table.latency_metrics == ("prefill_ms", "decode_ms")


def test_estimates_are_the_latencies_of_each_phase(
    space: SearchSpace, table: LookupTable, fake: Any
) -> None:
    codes = space.sample(np.random.default_rng(5), 20)
    for phase, length in (("prefill", 12), ("decode", 10)):
        at_phase = space.at_phase(phase, length)
        expected = [
            0.3 + sum(fake.truth(block) for block in at_phase.blocks(architecture))
            for architecture in space.decode(codes)
        ]
        estimates = table.cost_model(space, f"{phase}_ms").estimate(codes)
        assert np.allclose(estimates, expected, rtol=0.01)


def test_json_gives_the_table_back(space: SearchSpace, table: LookupTable) -> None:
    again = LookupTable.from_json(table.to_json())
    assert again == table
    assert {sample.phase for sample in again.networks} == {"prefill", "decode"}

    codes = space.sample(np.random.default_rng(1), 5)
    for metric in table.latency_metrics:
        first = table.cost_model(space, metric).estimate(codes)
        assert np.array_equal(first, again.cost_model(space, metric).estimate(codes))


def test_phases_of_a_table_validate_alone(
    space: SearchSpace, table: LookupTable, fake: Callable[..., Any]
) -> None:
    phases = []
    for phase, phase_table, phase_space in by_phase(table, space):
        result = validate(phase_table, phase_space, fake(3), networks=5, searched=2, rounds=4)
        assert result.estimate.mape < 0.01
        phases.append(phase)
    assert phases == ["prefill", "decode"]


def test_lengths_are_those_of_the_longest_context_by_default(
    space: SearchSpace, fake: Callable[..., Any]
) -> None:
    table = build(space, fake(3))
    assert (table.conditions["prompt"], table.conditions["cache"]) == (16, 16)


def test_limits_hold_in_both_phases(space: SearchSpace, table: LookupTable) -> None:
    codes = space.sample(np.random.default_rng(2), 200)
    for metric in table.latency_metrics:
        costs = table.cost_model(space, metric).estimate(codes)
        limit = Limit(metric, float(np.median(costs)), "text")
        constraint = limit.bind(space, lambda name: table, margin=0.0)
        assert (constraint.met(codes) == (costs <= limit.maximum)).all()

    with pytest.raises(Infeasible, match=r"decodes a token in .* ms on text; the limit is 0\.01"):
        Limit("decode_ms", 0.01, "text").bind(space, lambda name: table)
    with pytest.raises(Infeasible, match=r"reads a prompt in .* ms on text; the limit is 0\.01"):
        Limit("prefill_ms", 0.01, "text").bind(space, lambda name: table)


def test_memory_is_that_of_weights_and_caches(space: SearchSpace, table: LookupTable) -> None:
    model = table.cost_model(space, "memory_bytes")
    assert model.sigma == 0
    for architecture in space.decode(space.sample(np.random.default_rng(3), 5)):
        cache = 2 * space.cache_bytes(architecture, 10)
        expected = space.weight_bytes(architecture) + cache
        assert model.estimate([architecture])[0] == expected


def test_latency_without_a_phase_is_refused(
    space: SearchSpace, table: LookupTable, fake: Callable[..., Any]
) -> None:
    with pytest.raises(MissingFigures, match="measured in phases: prefill_ms and decode_ms"):
        table.cost_model(space, "latency_ms")
    with pytest.raises(MissingFigures, match="networks of text have one in each phase"):
        table.cost_model(space, "energy_mj")

    images = spaces.get("spos-tiny")
    other = build(images, fake(4))
    with pytest.raises(MissingFigures, match="its networks run in one phase: latency_ms"):
        other.cost_model(images, "decode_ms")


class Interrupting:
    """A progress that interrupts the build once it has reported often enough."""

    def __init__(self, after: int):
        self.remaining = after

    def __call__(self, fraction: float, text: str) -> None:
        self.remaining -= 1
        if not self.remaining:
            raise KeyboardInterrupt


def interrupted(space: SearchSpace, backend: Any, after: int) -> LookupTable:
    return profiler.build(
        space,
        backend,
        profiler.Settings(budget_s=1000.0, fewest_networks=100),
        name="text",
        device={"kind": "cpu", "processor": "made-up"},
        conditions={**CONDITIONS, **LENGTHS},
        command="build",
        progress=Interrupting(after),
    )


def test_interruption_of_the_first_phase_gives_no_table(
    space: SearchSpace, fake: Callable[..., Any]
) -> None:
    with pytest.raises(IncompleteMeasurement, match="interrupted before the phase decode"):
        interrupted(space, fake(3), after=30)


def test_interruption_of_the_last_phase_keeps_both(
    space: SearchSpace, fake: Callable[..., Any]
) -> None:
    table = interrupted(space, fake(3), after=60)
    assert table.measured.stopped_by == "interrupt"
    assert {sample.phase for sample in table.networks} == {"prefill", "decode"}
