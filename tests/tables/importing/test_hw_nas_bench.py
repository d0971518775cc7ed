"""HW-NAS-Bench's operators of FBNet's space: sums of networks are those of the benchmark's API."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import spaces
from spaces.space import SearchSpace
from tables.commands import main
from tables.errors import InvalidTable
from tables.importing.hw_nas_bench import read_operators
from tables.store import load

STRIDES = (1, 2, 2, 2, 1, 2, 1)
CHANNELS = (16, 24, 32, 64, 112, 184, 352)
REPEATS = (1, 4, 4, 4, 4, 4, 1)
BLOCKS = [(kernel, *rest) for kernel in (3, 5) for rest in ((1, 1), (1, 2), (3, 1), (6, 1))]
"""Kernel, expansion and groups of the eight candidates, in the order of the benchmark."""


def operator_keys() -> list[list[str]]:
    """Return for each layer the keys of its nine candidates, and those of all other layers."""
    layers = []
    side, inputs = 112, 16
    for stride_of_stage, channels, count in zip(STRIDES, CHANNELS, REPEATS, strict=True):
        for number in range(count):
            stride = stride_of_stage if number == 0 else 1
            ends = f"H{side}_W{side}_Cin{inputs}_Cout{channels}"
            keys = [
                f"ConvBlock_{ends}_exp{expansion}_kernel{kernel}_stride{stride}_group{groups}"
                for kernel, expansion, groups in BLOCKS
            ]
            layers.append([*keys, f"Skip_{ends}_stride{stride}"])
            side, inputs = side // stride, channels
    return layers


OUTER = [
    "ConvNorm_H224_W224_Cin3_Cout16_kernel3_stride2_group1",
    "ConvNorm_H7_W7_Cin352_Cout1984_kernel1_stride1_group1",
    "AvgP_H7_W7_Cin1984_Cout1984_kernel7_stride1",
    "FC_Cin1984_Cout1000",
]


@pytest.fixture
def operators() -> dict[str, float]:
    """Made-up latencies; a skip that keeps the shape costs nothing."""
    rng = np.random.default_rng(0)
    keys = dict.fromkeys([*(key for layer in operator_keys() for key in layer), *OUTER])
    return {
        key: 0.0 if key.startswith("Skip_") and _keeps_shape(key) else float(rng.uniform(0.1, 2))
        for key in keys
    }


def _keeps_shape(key: str) -> bool:
    inputs, outputs = (int(part[len(name) :]) for name, part in _ends(key))
    return inputs == outputs and key.endswith("stride1")


def _ends(key: str) -> list[tuple[str, str]]:
    parts = key.split("_")
    return [("Cin", parts[3]), ("Cout", parts[4])]


@pytest.fixture
def pickled(operators: dict[str, float], tmp_path: Path) -> Path:
    path = tmp_path / "HW-NAS-Bench.pickle"
    columns = {"pixel3_latency": operators, "raspi4_latency": operators, "fpga_energy": operators}
    path.write_bytes(pickle.dumps({"fbnet": columns}))
    return path


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return spaces.get("fbnet")


def run(path: Path, output: Path, *options: str) -> Any:
    return CliRunner().invoke(
        main, ["import", str(path), "--space", "fbnet", *options, "-o", str(output)]
    )


def test_networks_are_sums_of_the_benchmarks_operators(
    operators: dict[str, float], pickled: Path, space: SearchSpace, tmp_path: Path
) -> None:
    result = run(pickled, tmp_path / "pixel3.json", "--column", "pixel3_latency")
    assert result.exit_code == 0, result.output
    assert "hw-nas-bench" in result.output

    table = load(tmp_path / "pixel3.json")
    codes = space.sample(np.random.default_rng(1), 50)
    # The order of the space's candidates is that of the paper's table.
    order = [f"k{k}e{e}" + (f"g{g}" if g > 1 else "") for k, e, g in BLOCKS] + ["skip"]
    expected = []
    for architecture in space.decode(codes):
        names = list(architecture.choices.values())
        pairs = zip(operator_keys(), names, strict=True)
        chosen = [keys[order.index(name)] for keys, name in pairs]
        expected.append(sum(operators[key] for key in (*chosen, *OUTER)))

    assert np.allclose(table.cost_model(space).estimate(codes), expected)


def test_column_is_required_and_known(pickled: Path, tmp_path: Path) -> None:
    for options in ((), ("--column", "fpga_energy"), ("--column", "pixel9_latency")):
        result = run(pickled, tmp_path / "table.json", *options)
        assert result.exit_code == 2
        assert "pixel3_latency, raspi4_latency" in result.output
        assert not (tmp_path / "table.json").exists()


def test_column_is_for_this_benchmark_alone(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("conv,1.0\n")
    result = run(tmp_path / "table.csv", tmp_path / "table.json", "--column", "pixel3_latency")
    assert result.exit_code == 2
    assert "--column" in result.output


class Attack:
    """A pickle that would make a folder when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("attacked",)


def test_pickle_with_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "attack.pickle").write_bytes(pickle.dumps({"fbnet": Attack()}))
    with pytest.raises(InvalidTable, match="refused to load"):
        read_operators(tmp_path / "attack.pickle", "pixel3_latency")
    assert not (tmp_path / "attacked").exists()


def test_other_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.pickle").write_bytes(pickle.dumps({"nasbench201": {}}))
    with pytest.raises(InvalidTable, match="no 'fbnet'"):
        read_operators(tmp_path / "other.pickle", "pixel3_latency")
