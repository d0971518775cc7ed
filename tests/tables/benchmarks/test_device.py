"""The costs that a benchmark recorded on its devices limit and rank its architectures."""

import json
from pathlib import Path

import numpy as np
import pytest

import spaces
from spaces.errors import NotAdditive, UnknownName
from tables import Benchmark, LookupTable
from tables.benchmarks.device import BenchmarkDevice
from tables.benchmarks.errors import NotInBenchmark
from tables.benchmarks.records import Records
from tables.devices import load_device
from tables.errors import MissingFigures

SPACE = spaces.get("nasbench201")
CODES = SPACE.check(np.unique(SPACE.sample(np.random.default_rng(0), 300), axis=0)[:200])
LATENCIES = np.random.default_rng(1).uniform(5, 50, len(CODES))
LATENCIES[7] = np.nan
BENCHMARK = Benchmark(
    "made-up",
    Records(
        "nasbench201",
        CODES[:150],
        {
            ("cifar10_valid_acc", 200): np.zeros(150),
            ("latency_ms@phone", None): LATENCIES[:150],
            ("energy_mj@phone", None): np.ones(150),
            ("latency_ms@board_32", None): LATENCIES[:150] * 2,
            ("latency_ms@broken", None): np.full(150, np.nan),
        },
    ),
)


def test_recorded_costs_are_returned_and_unknown_ones_are_infinite() -> None:
    model = BenchmarkDevice(BENCHMARK, "phone").cost_model(SPACE)

    estimates = model.estimate(CODES)

    known = np.array([7 != row < 150 for row in range(len(CODES))])
    np.testing.assert_array_equal(estimates[known], LATENCIES[known])
    assert np.isinf(estimates[~known]).all()
    assert model.sigma == 0
    assert model.device == "phone"


def test_bounds_are_the_recorded_extremes() -> None:
    least, greatest = BenchmarkDevice(BENCHMARK, "phone").cost_model(SPACE).bounds()
    assert least.value == np.nanmin(LATENCIES[:150])
    assert greatest.value == np.nanmax(LATENCIES[:150])
    assert BENCHMARK.query([least.architecture, greatest.architecture], "latency_ms@phone") == (
        pytest.approx([least.value, greatest.value])
    )


def test_devices_and_their_metrics_are_named() -> None:
    assert BENCHMARK.devices == ("phone", "board_32", "broken")
    device = BenchmarkDevice(BENCHMARK, "board_32")
    with pytest.raises(MissingFigures, match="'board_32' has no energy_mj: the benchmark made-up"):
        device.cost_model(SPACE, "energy_mj")
    with pytest.raises(NotInBenchmark, match="has latency_ms@broken of none of its 150"):
        BenchmarkDevice(BENCHMARK, "broken").cost_model(SPACE)
    with pytest.raises(NotAdditive, match="nasbench201 are not sums"):
        device.cost_model(SPACE).expected([])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with accuracies and latencies of NAS-Bench-201, the only one to search."""
    accuracy = ["index,arch_str,cifar10_valid_acc"]
    latency = ["index,raspi4"]
    for index, architecture in enumerate(SPACE.decode(CODES)):
        text = spaces.formats.write(architecture, "nasbench201")
        accuracy.append(f"{index},{text},{index}")
        latency.append(f"{index},{'' if index == 7 else LATENCIES[index]}")
    (tmp_path / "accuracy.csv").write_text("\n".join(accuracy) + "\n")
    (tmp_path / "latency_ms.csv").write_text("\n".join(latency) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHFIT_DATA", str(tmp_path))
    monkeypatch.setenv("PATHFIT_TABLES", str(tmp_path / "tables"))
    return tmp_path


def test_a_device_of_a_benchmark_is_loaded_by_name(folder: Path) -> None:
    device = load_device("raspi4", SPACE)

    estimates = device.cost_model(SPACE, "latency_ms").estimate(CODES)
    np.testing.assert_array_equal(estimates, np.where(np.isnan(LATENCIES), np.inf, LATENCIES))
    with pytest.raises(UnknownName, match=r"unknown table 'rasp4'; available: .*raspi4"):
        load_device("rasp4", SPACE)
    with pytest.raises(UnknownName, match="unknown table 'raspi4'"):
        load_device("raspi4", spaces.get("spos-tiny"))


def test_a_lookup_table_precedes_a_device_of_the_same_name(
    folder: Path, table: LookupTable
) -> None:
    (folder / "tables").mkdir()
    (folder / "tables" / "raspi4.json").write_text(json.dumps(table.to_dict()))
    assert load_device("raspi4", SPACE) == table
