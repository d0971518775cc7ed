"""What is read beside times: energy and the state of a GPU, absent where the machine does not tell."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from profiler import Settings, build
from profiler.builder import Instruments
from profiler.devices import Device
from profiler.energy import EnergyCounter, find_counter
from profiler.gpu_state import parse, reader
from spaces import ChainSpace
from tables import LookupTable

CPU = Device("cpu", 0, "a processor", {"cores": 2})
GPU = Device("cuda", 1, "a GPU", {"cores": 1, "uuid": "abc"})


def rapl(root: Path, packages: dict[str, str]) -> Path:
    for name, energy in packages.items():
        (root / name).mkdir(parents=True)
        (root / name / "energy_uj").write_text(energy)
        (root / name / "max_energy_range_uj").write_text("1000000")
    return root


def test_packages_are_summed_and_their_parts_left_out(tmp_path: Path) -> None:
    root = rapl(tmp_path, {"intel-rapl:0": "5000", "intel-rapl:1": "7000", "intel-rapl:0:0": "3000"})
    counter = find_counter(CPU, root)
    assert counter is not None
    assert counter.read() == 12.0
    assert counter.name == "RAPL, all processor packages"


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

    assert EnergyCounter("c", lambda: spent[0], 0.01).of(run) == 3.0


def test_a_counter_that_starts_again_is_continued() -> None:
    readings: Iterator[float] = iter([95.0, 5.0])
    runs: list[int] = []
    counter = EnergyCounter("c", lambda: next(readings), 0.005, wrap_mj=100.0)
    found = counter.of(lambda: float(len(runs)) if runs.append(1) is None else 0.0)
    assert found == pytest.approx(10.0 / len(runs), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "value"), [("1980, 45\n", (1980, 45)), ("[N/A], 45", None), ("", None), ("1, 2, 3", None)]
)
def test_state_is_read_from_nvidia_smi(text: str, value: tuple[float, float] | None) -> None:
    assert parse(text) == value


def test_the_gpu_is_asked_for_by_its_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert (measured.energy, measured.clock_mhz, measured.temperature_c) == ("a counter", (1500,) * 8, (40.5,) * 8)
    assert {sample.energy_mj for sample in table.networks} == {0.5}
    assert LookupTable.from_json(table.to_json()) == table
    plain = build(
        tiny,
        fake(4),
        Settings(fewest_networks=1),
        name="made",
        device={"kind": "cpu", "processor": "fake"},
        conditions={"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1},
    )
    assert not {"energy", "clock_mhz", "temperature_c", "memory"} & set(plain.to_dict()["measurement"])
    assert "energy_mj" not in plain.to_dict()["networks"][0]
