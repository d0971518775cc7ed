"""Verification: which networks are measured, how they are ordered, and what is resumed."""

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.search.constraint import Limit
from oneshot.search.measuring import LocalDevice, StoredMeasurements, table_to_verify
from oneshot.search.result import SearchResult
from oneshot.search.verification import (
    MOST_MEASURED,
    Measure,
    Verification,
    VerifiedNetwork,
    verify,
)
from profiler.backends.registry import BACKENDS, register_backend
from spaces.space import Codes
from tables import LookupTable
from tables.errors import InvalidTable
from tables.network_measurements import MeasuredNetwork, NetworkMeasurements
from tests.steady import SteadyBackend, latency_of, steady_table

SPACE = spaces.get("spos-tiny")


@pytest.fixture(scope="module")
def table() -> LookupTable:
    return steady_table(SPACE)


@pytest.fixture
def _steady() -> Iterator[None]:
    with BACKENDS.preserved():
        register_backend("steady")(SteadyBackend)
        yield


def measuring(table: LookupTable, latencies: dict[tuple[int, ...], float]) -> Measure:
    """Measures what is known, on a machine that is twice as slow as at the build."""
    measured = [NetworkMeasurements.for_table(table, table.device, {})]
    reference = 2 * table.measured.reference_ms

    def measure(codes: Codes) -> NetworkMeasurements:
        rows = [tuple(map(int, row)) for row in codes]
        networks = [MeasuredNetwork(row, (2 * latencies[row],), (reference,)) for row in rows]
        measured[0] = measured[0].with_networks(tuple(networks))
        return measured[0]

    return measure


@given(st.data())
def test_verified_networks_are_the_best_within_the_limit(
    table: LookupTable, data: st.DataObject
) -> None:
    codes = SPACE.sample(np.random.default_rng(0), 30)
    codes = np.unique(codes, axis=0)
    number = st.floats(0.5, 3.0).map(lambda value: round(value, 3))
    latencies = data.draw(st.lists(number, min_size=len(codes), max_size=len(codes)))
    count = data.draw(st.integers(1, 6))
    known = dict(zip((tuple(map(int, row)) for row in codes), latencies, strict=True))

    verification = verify(codes, count, table, 1.5, measuring(table, known))

    looked_at = min(len(codes), MOST_MEASURED * count)
    within = [rank for rank in range(looked_at) if latencies[rank] <= 1.5][:count]
    assert sorted(verification.ranks) == within
    measured = [network.measured_ms for network in verification.networks]
    assert measured == sorted(measured)
    assert measured == pytest.approx([latencies[rank] for rank in verification.ranks])
    assert [2 * ms for ms in measured] == pytest.approx(
        [network.raw_ms for network in verification.networks]
    )

    # Nothing is measured beyond the last network that was needed.
    last = within[-1] if len(within) == count else looked_at - 1
    excluded = [network.rank for network in verification.excluded]
    assert excluded == [rank for rank in range(last + 1) if latencies[rank] > 1.5]
    assert bool(verification.note) == (len(within) < count)
    assert Verification.from_dict(verification.to_dict()) == verification


def test_without_limit_nothing_is_excluded(table: LookupTable) -> None:
    codes = np.unique(SPACE.sample(np.random.default_rng(1), 8), axis=0)
    known = {tuple(map(int, row)): 9.0 - rank for rank, row in enumerate(codes)}
    verification = verify(codes, 3, table, None, measuring(table, known))
    assert verification.ranks == [2, 1, 0]
    assert verification.excluded == ()


@pytest.mark.usefixtures("_steady")
def test_measured_latencies_are_the_devices(table: LookupTable, tmp_path: Path) -> None:
    codes = np.unique(SPACE.sample(np.random.default_rng(2), 6), axis=0)
    device = LocalDevice.of_table(table, rounds=3)
    path = tmp_path / "found.json.measured.json"
    verification = verify(codes, 4, table, None, StoredMeasurements(path, table, device.measure))
    for network in verification.networks:
        latency = latency_of(SPACE, SPACE.architecture(codes[network.rank]))
        assert network.measured_ms == pytest.approx(latency, rel=1e-3)
        assert network.predicted_ms == pytest.approx(latency, rel=0.02)
    assert len(NetworkMeasurements.read(path).networks) == 4


def test_interrupted_measurements_resume_with_those_stored(
    table: LookupTable, tmp_path: Path
) -> None:
    codes = np.unique(SPACE.sample(np.random.default_rng(3), 12), axis=0)
    # The first two break the limit, so that there are two waves.
    known = {tuple(map(int, row)): 2.0 if n < 2 else 1.0 for n, row in enumerate(codes)}
    path = tmp_path / "m.json"
    whole = verify(codes, 3, table, 1.5, measuring(table, known))
    calls: list[int] = []

    def failing(codes: Codes) -> NetworkMeasurements:
        calls.append(len(codes))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fresh(codes)

    def fresh(codes: Codes) -> NetworkMeasurements:
        return measuring(table, known)(codes)

    with pytest.raises(KeyboardInterrupt):
        verify(codes, 3, table, 1.5, StoredMeasurements(path, table, failing))
    assert calls == [3, 2]

    resumed = StoredMeasurements(path, table, fresh, resume=True)
    assert len(resumed) == 3
    assert verify(codes, 3, table, 1.5, resumed) == whole
    assert len(NetworkMeasurements.read(path).networks) == 5

    # All are stored now: nothing is measured again.
    def forbidden(codes: Codes) -> NetworkMeasurements:
        raise AssertionError

    again = StoredMeasurements(path, table, forbidden, resume=True)
    assert verify(codes, 3, table, 1.5, again) == whole


def test_measurements_of_another_table_are_not_resumed(table: LookupTable, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    NetworkMeasurements.for_table(table, table.device, {}).save(path)
    other = replace(table, conditions={**table.conditions, "threads": 2})
    with pytest.raises(InvalidRun, match=r"m\.json: conditions\.threads: .* 1, .* with 2"):
        StoredMeasurements(path, other, lambda codes: None, resume=True)  # type: ignore[arg-type]


def test_result_has_verified_networks_first_and_leaves_excluded_ones_out(
    table: LookupTable,
) -> None:
    codes = np.unique(SPACE.sample(np.random.default_rng(4), 9), axis=0)
    known = {tuple(map(int, row)): ms for row, ms in zip(codes, [9, 3, 2, 1] * 3, strict=False)}
    count = len(codes)
    result = SearchResult(
        space=SPACE.name,
        guide={},
        constraints=[],
        objectives=["macs"],
        strategy={},
        seed=0,
        codes=codes,
        scores=-np.arange(float(count)),
        deviations=np.zeros(count),
        costs={"macs": np.ones(count)},
        order=np.arange(count),
        history=[],
    )
    verified = replace(result, verification=verify(codes, 2, table, 5.0, measuring(table, known)))

    assert verified.best_ranks(4) == [2, 1, 3, 4]
    assert verified.best == result.candidate(2)
    value = verified.to_dict(2)
    assert [entry["score"] for entry in value["best"]] == [-2.0, -1.0]
    assert [entry["score"] for entry in value["verification"]["networks"]] == [-2.0, -1.0]
    assert [entry["rank"] for entry in value["verification"]["excluded"]] == [0]
    assert SearchResult.from_dict(value).to_dict(2) == value

    value["verification"]["networks"][0]["rank"] = count
    with pytest.raises(Exception, match="verification: ranks must be distinct"):
        SearchResult.from_dict(value)


def test_table_to_verify_is_the_first_of_a_limit(table: LookupTable) -> None:
    limits = [Limit("macs", 3e6), Limit("latency_ms", 2.0, "a"), Limit("latency_ms", 1.0, "b")]
    slow = replace(table, name="b", conditions={**table.conditions, "threads": 2})
    tables: dict[str, Any] = {"a": table, "b": slow}
    assert table_to_verify(SPACE, limits, tables.__getitem__) == (table, 2.0)
    assert table_to_verify(SPACE, limits, tables.__getitem__, slow) == (slow, 1.0)
    assert table_to_verify(SPACE, limits[:1], tables.__getitem__, slow) == (slow, None)
    with pytest.raises(InvalidOption, match="name one with --table"):
        table_to_verify(SPACE, limits[:1], tables.__getitem__)
    with pytest.raises(InvalidOption, match="is a table of spos-tiny, the search is of spos"):
        table_to_verify(spaces.get("spos"), limits, tables.__getitem__, slow)


@pytest.mark.usefixtures("_steady")
@pytest.mark.parametrize("field", ["kind", "processor"])
def test_table_of_another_device_is_refused(table: LookupTable, field: str) -> None:
    value = {"kind": "other", "processor": "abacus"}[field]
    other = replace(table, device={**table.device, field: value})
    with pytest.raises(InvalidTable, match="name a table that was measured here"):
        LocalDevice.of_table(other)


def test_verification_says_that_the_device_was_busy(table: LookupTable) -> None:
    codes = np.unique(SPACE.sample(np.random.default_rng(3), 4), axis=0)
    reference = table.measured.reference_ms

    def measure_with(spread: float) -> Measure:
        rounds = (1.0, 1.0 + spread, 1.0 - spread)

        def measure(rows: Codes) -> NetworkMeasurements:
            networks = [
                MeasuredNetwork(tuple(map(int, row)), rounds, (reference,) * 3) for row in rows
            ]
            empty = NetworkMeasurements.for_table(table, table.device, {})
            return empty.with_networks(tuple(networks))

        return measure

    count = len(codes)
    quiet = verify(codes, count, table, 2.0, measure_with(0.01))
    assert quiet.note == ""
    # Quartiles of three rounds are half of the spread from the median.
    expected = math.sqrt(math.pi / 2) * 0.01 / 1.349 / math.sqrt(3)
    assert quiet.networks[0].error_ms == pytest.approx(expected, rel=1e-3)
    assert quiet.networks[0].latency_text == "1 +- 0.0054 ms"
    busy = verify(codes, count, table, 2.0, measure_with(0.5))
    assert busy.note.startswith("measured latencies have standard errors of up to 27%")
    none = verify(codes, count, table, 0.5, measure_with(0.5))
    assert none.note.startswith(f"0 of {count} networks keep the limit")
    assert "standard errors of up to 27%" in none.note


def test_results_without_standard_errors_are_read() -> None:
    network = VerifiedNetwork(0, 1.0, 1.1, 1.1, 0.1)
    value = asdict(network)
    del value["error_ms"]
    assert VerifiedNetwork.from_dict(value) == network
    assert network.latency_text == "1.1 ms"
