"""Refined tables: what further networks change, and which are refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import spaces
from profiler import Settings, build
from profiler.backends.registry import BACKENDS, register_backend
from profiler.commands import main
from profiler.instruments.devices import find
from profiler.refining import refine
from profiler.whole_networks import measure_for_table
from spaces import ChainSpace
from spaces.errors import PathfitError
from tables import LookupTable
from tables.errors import InvalidMeasurements
from tables.lookup_table import Measurement
from tables.network_measurements import NetworkMeasurements
from tests.steady import SteadyBackend, steady_table

SPACE = spaces.get("spos-tiny")


@pytest.fixture(scope="module")
def table() -> LookupTable:
    return steady_table(SPACE)


def measured(table: LookupTable, count: int = 6, seed: int = 7) -> NetworkMeasurements:
    from profiler.backends.base import Conditions

    codes = np.unique(SPACE.sample(np.random.default_rng(seed), count), axis=0)
    backend = SteadyBackend(Conditions("cpu"))
    return measure_for_table(table, backend, find("cpu"), codes, rounds=3)


def test_measured_networks_join_the_samples(table: LookupTable) -> None:
    measurements = measured(table)
    refined = refine(table, measurements, name="second", command="test")
    assert refined.name == "second"
    assert refined.networks[: len(table.networks)] == table.networks
    codes, latencies = refined.network_latencies()
    new = len(table.networks)
    assert codes[new:].tolist() == [list(network.codes) for network in measurements.networks]
    expected = [measurements.latency_ms(network) for network in measurements.networks]
    assert latencies[new:] == pytest.approx(expected, rel=1e-5)
    assert LookupTable.from_json(refined.to_json()) == refined


def test_sigma_shrinks_where_few_networks_explained_the_blocks(fake: Any, tiny: ChainSpace) -> None:
    rng = np.random.default_rng(0)
    device = find("cpu")
    names: dict[str, Any] = {
        "name": "noisy",
        "device": device.to_dict(),
        "conditions": {"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1},
    }
    backend = fake(4, noise=0.03)
    table = build(tiny, backend, Settings(budget_s=0.1, fewest_networks=24), **names)
    codes = np.unique(tiny.sample(rng, 60), axis=0)
    refined = refine(table, measure_for_table(table, backend, device, codes, rounds=12))
    before, after = (item.cost_model(tiny).sigma or 0 for item in (table, refined))
    assert after < before


def test_samples_without_timed_blocks_leave_the_others_corrected(table: LookupTable) -> None:
    refined = refine(table, measured(table))
    sums = np.ones(len(refined.networks))
    disturbance = refined.network_disturbance(sums)
    assert disturbance is not None
    assert np.isnan(disturbance[len(table.networks) :]).all()
    assert np.isfinite(disturbance[: len(table.networks)]).all()
    untimed = replace(
        table, networks=tuple(replace(item, blocks_ms=None) for item in table.networks)
    )
    assert untimed.network_disturbance(sums) is None


def changed(measurements: NetworkMeasurements, name: str) -> NetworkMeasurements:
    changes: dict[str, Any] = {
        "space": {"space": "spos"},
        "device": {"device": {**measurements.device, "processor": "abacus"}},
        "conditions": {"conditions": {**measurements.conditions, "threads": 3}},
        "reference": {"reference_codes": measurements.reference_codes[::-1]},
        "networks": {"networks": ()},
    }
    return replace(measurements, **changes[name])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("space", "space: the networks were measured with 'spos', the table 'steady' with"),
        ("device", "device.processor: the networks were measured with 'abacus'"),
        ("conditions", "conditions.threads: the networks were measured with 3, the table"),
        ("reference", "reference.codes: the networks were measured next to the reference networks"),
        ("networks", "networks: there is none to add"),
    ],
)
def test_measurements_that_do_not_compare_are_refused(
    table: LookupTable, name: str, sentence: str
) -> None:
    with pytest.raises(InvalidMeasurements) as caught:
        refine(table, changed(measured(table), name))
    assert sentence in str(caught.value)


def test_same_measurements_join_once(table: LookupTable) -> None:
    measurements = measured(table)
    refined = refine(table, measurements)
    with pytest.raises(InvalidMeasurements, match="measurements are in 'steady' already"):
        refine(refined, measurements)
    more = measurements.with_networks(measured(table, seed=8).networks)
    assert len(refine(refined, more).networks) > len(refined.networks)


def test_tables_that_networks_do_not_correct_are_refused(table: LookupTable) -> None:
    measurements = measured(table)
    imported = replace(table, measurement=None, networks=())
    with pytest.raises(PathfitError, match="was imported"):
        refine(imported, measurements)
    with pytest.raises(PathfitError, match="was adapted from other devices"):
        refine(replace(table, sigma_ms=0.1), measurements)
    assert isinstance(table.measurement, Measurement)
    text = replace(table, measurement=replace(table.measurement, phases={"prefill": 1.0}))
    with pytest.raises(PathfitError, match="run in several phases"):
        refine(text, measurements)


@pytest.fixture
def _steady() -> Iterator[None]:
    with BACKENDS.preserved():
        register_backend("steady")(SteadyBackend)
        yield


@pytest.mark.usefixtures("_steady")
def test_commands_refine_and_compare_both_versions(table: LookupTable, tmp_path: Path) -> None:
    from click.testing import CliRunner

    old, new, networks = (tmp_path / name for name in ("old.json", "new.json", "measured.json"))
    table.save(old)
    measured(table).save(networks)
    runner = CliRunner(env={"COLUMNS": "200"})
    result = runner.invoke(main, ["refine", str(old), str(networks), "-o", str(new)])
    assert result.exit_code == 0, result.output
    assert "added 6 of 6 networks" in result.output
    assert LookupTable.read(new).name == "new"

    report = tmp_path / "report.json"
    options = ["--networks", "5", "--searched", "1", "--rounds", "4", "-o", str(report)]
    result = runner.invoke(main, ["validate", str(new), "--before", str(old), *options])
    assert result.exit_code == 0, result.output
    assert "latency_ms: sigma" in result.output
    assert "cost model before" in result.output
    value = json.loads(report.read_text())
    assert set(value["before"]) == set(value["estimate"])

    other = steady_table(spaces.get("nasbench-macro", input_size=16))
    other.save(old)
    result = runner.invoke(main, ["validate", str(new), "--before", str(old), *options])
    assert isinstance(result.exception, PathfitError) or result.exit_code == 2
    networks.write_text('{"format": "pathfit-network-measurements"}')
    result = runner.invoke(main, ["refine", str(new), str(networks), "-o", str(old)])
    assert result.exit_code == 2
    assert "the key 'version' is missing" in result.output


def with_spread(measurements: NetworkMeasurements, spread: float) -> NetworkMeasurements:
    """Let the rounds of all networks but the first vary by a factor."""
    factors = np.array([1.0, 1.0 + spread, 1.0 - spread])
    unsteady = [
        replace(network, latency_ms=tuple((network.median_ms * factors).tolist()))
        for network in measurements.networks[1:]
    ]
    return replace(measurements, networks=(measurements.networks[0], *unsteady))


def test_latencies_of_a_busy_device_do_not_join_the_table(
    table: LookupTable, tmp_path: Path
) -> None:
    measurements = with_spread(measured(table), 0.4)
    assert measurements.error_ms(measurements.networks[0]) == pytest.approx(0, abs=1e-4)
    refined = refine(table, measurements)
    added = [sample.codes for sample in refined.networks[len(table.networks) :]]
    assert added == [measurements.networks[0].codes]

    busy = replace(measurements, networks=measurements.networks[1:])
    with pytest.raises(InvalidMeasurements, match=r"all \d latencies have standard errors of more"):
        refine(table, busy)
    steady = with_spread(measured(table), 0.05)
    assert len(refine(table, steady).networks) == len(table.networks) + len(steady.networks)

    paths = tmp_path / "table.json", tmp_path / "measured.json", tmp_path / "new.json"
    table.save(paths[0])
    measurements.save(paths[1])
    result = CliRunner().invoke(main, ["refine", *map(str, paths[:2]), "-o", str(paths[2])])
    assert result.exit_code == 0, result.output
    assert f"left out {len(busy.networks)} networks with standard errors" in result.output
