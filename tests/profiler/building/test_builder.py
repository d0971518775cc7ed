"""Building tables: every candidate is measured, drift and disturbances are taken out."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from profiler import Settings, build
from profiler.building.builder import FEWEST_ROUNDS
from profiler.building.networks import latin_networks
from profiler.building.session import REFERENCES
from profiler.errors import IncompleteMeasurement
from spaces import ChainSpace
from tables import LookupTable
from tables.schema import check, table_schema

NAMES: dict[str, Any] = {
    "name": "made",
    "device": {"kind": "cpu", "processor": "fake"},
    "conditions": {"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1},
}


@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("name", ["spos-tiny", "spos", "spos-tiny(repeats=(1, 1, 1))"])
def test_latin_networks_hold_every_candidate_once(name: str, seed: int) -> None:
    space = spaces.get(name)
    codes = latin_networks(space, np.random.default_rng(seed))
    assert np.array_equal(
        np.sort(codes, axis=0), np.repeat(np.arange(4)[:, None], len(space.choices), axis=1)
    )
    assert codes.dtype == space.dtype


def test_latin_networks_are_as_even_as_counts_allow(uneven_space: ChainSpace) -> None:
    for seed in range(200):
        codes = latin_networks(uneven_space, np.random.default_rng(seed))
        assert codes.shape == (5, 4)
        for column, candidates in enumerate((2, 5, 1, 3)):
            counts = np.bincount(codes[:, column], minlength=candidates)
            assert len(counts) == candidates
            assert counts.min() >= 1
            assert counts.max() - counts.min() <= 1


def test_latin_networks_favour_no_candidate(uneven_space: ChainSpace) -> None:
    rng = np.random.default_rng(0)
    codes = np.concatenate([latin_networks(uneven_space, rng) for _ in range(2000)])
    for column, candidates in enumerate((2, 5, 1, 3)):
        shares = np.bincount(codes[:, column], minlength=candidates) / len(codes)
        assert shares == pytest.approx(1 / candidates, abs=0.02)
    # Neighbouring choices are drawn apart from each other.
    pairs = np.bincount(codes[:, 0] * 5 + codes[:, 1], minlength=10) / len(codes)
    assert pairs == pytest.approx(0.1, abs=0.02)


def check_table(table: LookupTable, space: ChainSpace) -> None:
    check(table.to_dict(), table_schema())
    assert LookupTable.from_json(table.to_json()) == table
    assert set(table.blocks) == set(space.all_blocks)


def test_known_times_are_recovered(fake: Any, tiny: ChainSpace) -> None:
    table = build(tiny, fake(4), Settings(seed=1), command="by hand", **NAMES)
    check_table(table, tiny)
    for key, cost in table.blocks.items():
        block = tiny.all_blocks[key]
        assert cost.latency_ms == pytest.approx(fake.truth(block), abs=1e-6)
        assert (cost.latency_iqr_ms, cost.macs, cost.params) == (0, block.macs, block.params)
    codes, latencies = table.network_latencies()
    sums = tiny.additive_table(fake.truth)(codes)
    assert latencies == pytest.approx(sums + 0.3, abs=1e-5)
    model = table.cost_model(tiny)
    assert model.estimate(codes.astype(np.int8)) == pytest.approx(latencies, abs=1e-3)
    assert (table.command, table.seed, table.space, table.name) == (
        "by hand",
        1,
        "spos-tiny",
        "made",
    )
    assert table.versions == {"pathfit": spaces.__version__, "fake": "1"}


def test_building_stops_when_it_is_precise(fake: Any, tiny: ChainSpace) -> None:
    measured = build(tiny, fake(4), Settings(budget_s=30, fewest_networks=60), **NAMES).measurement
    assert (measured.stopped_by, measured.standard_error) == ("precision", 0)
    assert measured.rounds == 15
    assert measured.budget_s == 30
    assert measured.seconds < 30


def test_few_networks_are_measured_in_8_rounds_at_least(fake: Any, tiny: ChainSpace) -> None:
    table = build(tiny, fake(4), Settings(budget_s=30, fewest_networks=1), **NAMES)
    assert table.measurement.rounds == FEWEST_ROUNDS == 8
    assert [sample.round for sample in table.networks] == [
        number for number in range(8) for _ in range(4)
    ]


@dataclass
class Interrupted:
    """A backend that a user's Ctrl-C interrupts while it makes a runner."""

    backend: Any
    at_runner: int
    name: str = "fake"
    times_blocks: bool = True

    def network_runner(self, space: Any, architecture: Any) -> Any:
        if self.backend.runners == self.at_runner:
            self.backend.runners += 1
            raise KeyboardInterrupt
        return self.backend.network_runner(space, architecture)

    def versions(self) -> dict[str, str]:
        return {}


def test_interrupted_builds_keep_the_rounds_that_ended(fake: Any, tiny: ChainSpace) -> None:
    # 3 references and rounds of 4 networks, with 3 more references before the fifth: the third
    # network of round 6.
    backend = Interrupted(fake(4), at_runner=3 + 5 * 4 + 3 + 2)
    table = build(tiny, backend, Settings(budget_s=30), **NAMES)
    check_table(table, tiny)
    assert table.measured.stopped_by == "interrupt"
    assert table.measured.rounds == 5
    assert [sample.round for sample in table.networks] == [
        number for number in range(5) for _ in range(4)
    ]
    # The same rounds as of a build that nobody interrupts.
    complete = build(tiny, fake(4), Settings(budget_s=30, fewest_networks=1), **NAMES)
    assert table.networks == complete.networks[:20]


def test_builds_interrupted_too_early_are_refused(fake: Any, tiny: ChainSpace) -> None:
    backend = Interrupted(fake(4), at_runner=5)
    with pytest.raises(IncompleteMeasurement, match=r"interrupted after 0 rounds.*27 of 27 blocks"):
        build(tiny, backend, Settings(budget_s=30), **NAMES)


@dataclass
class Reporting(Interrupted):
    """A backend whose runtime has another number of threads than was requested."""

    at_runner: int = -1

    def executed(self) -> dict[str, int]:
        return {"threads": 3}


def test_tables_record_the_conditions_that_the_runtime_reports(fake: Any, tiny: ChainSpace) -> None:
    names = {**NAMES, "conditions": {"backend": "fake", "threads": 8}}
    settings = Settings(budget_s=30, fewest_networks=1)
    table = build(tiny, Reporting(fake(4)), settings, **names)
    assert table.conditions == {"backend": "fake", "threads": 3}


def test_the_budget_ends_what_cannot_be_precise(fake: Any, tiny: ChainSpace) -> None:
    told: list[tuple[float, str]] = []
    settings = Settings(budget_s=0.2, precision_target=1e-6)
    table = build(
        tiny, fake(4, noise=0.3), settings, progress=lambda *state: told.append(state), **NAMES
    )
    measured = table.measurement
    assert measured.stopped_by == "budget"
    assert measured.standard_error > 1e-6
    assert measured.budget_s == 0.2
    assert measured.rounds == len(told) >= FEWEST_ROUNDS
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert told[-1][0] >= 1 > told[-2][0] or measured.rounds == FEWEST_ROUNDS
    assert told[-1][1].startswith(f"round {measured.rounds}, standard error ")


def test_noise_widens_the_spread_that_is_told(fake: Any, tiny: ChainSpace) -> None:
    table = build(tiny, fake(4, noise=0.05), Settings(budget_s=30, fewest_networks=400), **NAMES)
    # The noise of a median of n runs is about 1.25 deviations / sqrt(n); the inter-quartile range
    # is 1.35 deviations.
    spreads = [cost.latency_iqr_ms / cost.latency_ms for cost in table.blocks.values()]
    assert 0.01 < np.median(spreads) < 0.06
    assert 0 < table.measurement.standard_error <= 0.01


@pytest.mark.parametrize("spikes", [0.0, 0.04])
def test_drift_and_spikes_are_taken_out(fake: Any, tiny: ChainSpace, spikes: float) -> None:
    def drift(number: int) -> float:
        return 1 + 0.3 * math.sin(number / 10)

    device = fake(4, drift=drift, noise=0.002, spikes=spikes)
    table = build(tiny, device, Settings(budget_s=20, fewest_networks=240, seed=2), **NAMES)
    check_table(table, tiny)
    references = tiny.check(np.array(table.measurement.reference_codes))
    # All times are told for one state of the device: that of the reference's median.
    state = table.measurement.reference_ms / (
        tiny.additive_table(fake.truth)(references).mean() + 0.3
    )
    assert 0.8 < state < 1.3
    for key, cost in table.blocks.items():
        assert cost.latency_ms / state == pytest.approx(fake.truth(tiny.all_blocks[key]), rel=0.015)
    codes, latencies = table.network_latencies()
    sums = tiny.additive_table(fake.truth)(codes) + 0.3
    errors = latencies / state / sums - 1
    assert np.median(np.abs(errors)) < 0.01
    raw = np.array([np.median(sample.latency_ms) for sample in table.networks])
    assert np.std(errors) < 0.3 * np.std(raw / sums)
    model = table.cost_model(tiny)
    every = np.concatenate(list(tiny.enumerate_codes()))
    truth = tiny.additive_table(fake.truth)(every) + 0.3
    assert np.abs(model.estimate(every) / state / truth - 1).max() < 0.03


def test_reference_of_a_round_is_recorded_with_its_samples(fake: Any, tiny: ChainSpace) -> None:
    settings = Settings(budget_s=20, fewest_networks=80, precision_target=0.1)
    table = build(tiny, fake(4, drift=lambda number: 1 + 0.1 * number), settings, **NAMES)
    # Drift is no want of precision: the times are told without it.
    assert table.measurement.stopped_by == "precision"
    assert table.measurement.rounds == 20
    by_round = {sample.round: sample.reference_ms for sample in table.networks}
    assert len(by_round) == table.measurement.rounds
    references = np.array([by_round[number] for number in range(table.measurement.rounds)])
    assert np.median(references) == pytest.approx(table.measurement.reference_ms, rel=0.02)
    assert references[4:-4] / references[4] == pytest.approx(
        (1 + 0.1 * np.arange(4, len(references) - 4)) / 1.4, rel=0.02
    )


def test_every_round_makes_its_networks_and_the_references_anew(
    fake: Any, tiny: ChainSpace
) -> None:
    """So that one placement in memory is not taken for a block's own time."""
    device = fake(4)
    rounds = build(
        tiny, device, Settings(budget_s=30, fewest_networks=40), **NAMES
    ).measurement.rounds
    assert device.renewed == [
        0,
        *(REFERENCES + number * (4 + REFERENCES) for number in range(rounds)),
    ]
    assert device.runners == REFERENCES + rounds * (4 + REFERENCES)


def test_the_same_seed_measures_the_same_networks(fake: Any, tiny: ChainSpace) -> None:
    def codes(seed: int) -> list[tuple[int, ...]]:
        settings = Settings(budget_s=30, fewest_networks=1, seed=seed)
        return [sample.codes for sample in build(tiny, fake(4), settings, **NAMES).networks]

    assert codes(3) == codes(3)
    assert codes(3) != codes(4)


def test_uneven_spaces_are_measured_whole(fake: Any, uneven_space: ChainSpace) -> None:
    table = build(uneven_space, fake(5), Settings(budget_s=30, fewest_networks=50), **NAMES)
    check_table(table, uneven_space)
    assert len(table.networks) == 50
    for key, cost in table.blocks.items():
        assert cost.latency_ms == pytest.approx(fake.truth(uneven_space.all_blocks[key]), abs=1e-6)
    model = table.cost_model(uneven_space)
    assert model.correction is not None
    assert model.correction.count == 50
