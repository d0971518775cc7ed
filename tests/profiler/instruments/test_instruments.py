"""What is read beside times: energy and the state of a GPU, absent where the machine does not
tell.
"""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from profiler import Settings, build
from profiler.building.builder import Instruments
from profiler.instruments.devices import Device
from profiler.instruments.energy import EnergyCounter, find_counter
from profiler.instruments.gpu_state import parse, reader
from spaces import ChainSpace
from tables import LookupTable

CPU = Device("cpu", 0, "a processor", {"cores": 2})
GPU = Device("cuda", 1, "a GPU", {"cores": 1, "uuid": "abc"})


def rapl(root: Path, packages: dict[str, str], psys: str = "") -> Path:
    for name, energy in packages.items():
        (root / name).mkdir(parents=True)
        (root / name / "name").write_text(f"{'psys' if name == psys else 'package-' + name[-1]}\n")
        (root / name / "energy_uj").write_text(energy)
        (root / name / "max_energy_range_uj").write_text("1000000")
    return root


def test_packages_are_summed_and_their_parts_left_out(tmp_path: Path) -> None:
    root = rapl(
        tmp_path, {"intel-rapl:0": "5000", "intel-rapl:1": "7000", "intel-rapl:0:0": "3000"}
    )
    counter = find_counter(CPU, root)
    assert counter is not None
    assert counter.read() == 12.0
    assert counter.name == "RAPL, all processor packages"


def test_the_whole_platform_is_no_package(tmp_path: Path) -> None:
    """It counts the packages once more."""
    root = rapl(tmp_path, {"intel-rapl:0": "5000", "intel-rapl:1": "9000"}, psys="intel-rapl:1")
    counter = find_counter(CPU, root)
    assert counter is not None
    assert counter.read() == 5.0
    assert counter.wrap_mj == 1000.0
    assert (
        find_counter(CPU, rapl(tmp_path / "alone", {"intel-rapl:0": "1"}, psys="intel-rapl:0"))
        is None
    )


def test_no_counter_no_energy(tmp_path: Path) -> None:
    assert find_counter(CPU, tmp_path) is None
    assert find_counter(CPU, tmp_path / "nothing") is None
    assert find_counter(CPU, rapl(tmp_path / "odd", {"intel-rapl:0": "not a number"})) is None
    assert find_counter(GPU) is None  # there is no NVML here, or no such GPU


def test_energy_is_that_of_one_run() -> None:
    spent = [0.0]

    def run() -> float:
        spent[0] += 3.0
        return 1.0

    assert EnergyCounter("c", lambda: spent[0], 0.01).per_run(run) == 3.0


def test_a_counter_that_starts_again_is_continued() -> None:
    spent = [94.0]

    def run() -> float:
        spent[0] += 1.0
        return 1.0

    # Wrapped once at most: the window ends with the first run.
    assert EnergyCounter("c", lambda: spent[0] % 100.0, 1e-9, wrap_mj=100.0).per_run(run) == 1.0
    spent[0] = 99.0
    assert EnergyCounter("c", lambda: spent[0] % 100.0, 1e-9, wrap_mj=100.0).per_run(run) == 1.0


@pytest.mark.parametrize("phase", range(7))
def test_the_counters_steps_are_no_error(monkeypatch: pytest.MonkeyPatch, phase: int) -> None:
    """A counter that moves every 100 ms by what 20 runs took, and a window of 5 such steps."""
    clock = [0.005 * 3 * phase]
    monkeypatch.setattr("profiler.instruments.energy.time.monotonic", lambda: clock[0])

    def run() -> float:
        clock[0] += 0.005
        return 5.0

    counter = EnergyCounter("c", lambda: 60.0 * int(clock[0] / 0.1 + 1e-9), 0.5)
    assert counter.per_run(run) == pytest.approx(3.0, rel=0.01)


def test_a_counter_that_stands_still_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("profiler.instruments.energy.time.monotonic", lambda: clock[0])

    def run() -> float:
        clock[0] += 0.01
        return 10.0

    assert EnergyCounter("c", lambda: 7.0, 0.1).per_run(run) == 0.0
    assert clock[0] < 0.4


@pytest.mark.parametrize(
    ("text", "value"),
    [("1980, 45\n", (1980, 45)), ("[N/A], 45", None), ("", None), ("1, 2, 3", None)],
)
def test_state_is_read_from_nvidia_smi(text: str, value: tuple[float, float] | None) -> None:
    assert parse(text) == value


def test_the_gpu_is_asked_for_by_its_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "$@" > "$0.asked"\necho "1410, 38"\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert reader(GPU)() == (1410.0, 38.0)
    assert "-i GPU-abc" in (tmp_path / "nvidia-smi.asked").read_text()
    assert reader(CPU)() is None
    program.write_text("#!/bin/sh\nexit 9\n")
    assert reader(GPU)() is None


def test_a_table_records_what_was_read(fake: Any, tiny: ChainSpace) -> None:
    spent = [0.0]

    def read() -> float:
        spent[0] += 0.5
        return spent[0]

    instruments = Instruments(EnergyCounter("a counter", read, 1e-6), lambda: (1500.0, 40.5))
    table = build(
        tiny,
        fake(4),
        Settings(fewest_networks=1),
        name="made",
        device={"kind": "cpu", "processor": "fake"},
        conditions={"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1},
        instruments=instruments,
    )
    measured = table.measured
    assert (measured.energy, measured.clock_mhz, measured.temperature_c) == (
        "a counter",
        (1500,) * 8,
        (40.5,) * 8,
    )
    assert {sample.energy_mj for sample in table.networks} == {
        1.0
    }  # one run, and two readings that see a step each
    assert LookupTable.from_json(table.to_json()) == table
    plain = build(
        tiny,
        fake(4),
        Settings(fewest_networks=1),
        name="made",
        device={"kind": "cpu", "processor": "fake"},
        conditions={"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1},
    )
    assert not {"energy", "clock_mhz", "temperature_c", "memory"} & set(
        plain.to_dict()["measurement"]
    )
    assert "energy_mj" not in plain.to_dict()["networks"][0]
