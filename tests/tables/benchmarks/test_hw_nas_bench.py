"""HW-NAS-Bench's pickle: arrays and plain containers, and nothing else."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tables
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.hw_nas_bench import join, read_release
from tables.benchmarks.importing import import_benchmark
from tables.benchmarks.records import Records


def pickled(value: Any, path: Path, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_costs_are_read_for_every_data_set(
    hardware: dict[str, Any], tmp_path: Path, protocol: int
) -> None:
    found = read_release(pickled(hardware, tmp_path / "HW-NAS-Bench-v1_0.pickle", protocol))
    assert found.codes.tolist() == [[3, 0, 1, 4, 2, 0], [0, 1, 3, 0, 0, 3], [2, 2, 2, 1, 0, 4]]
    told = {metric: values.tolist() for (metric, _), values in found.columns.items()}
    assert told["latency_ms@raspi4"] == [1, 2, 3]
    assert told["latency_ms@raspi4_cifar100"] == [11, 12, 13]
    assert told["energy_mj@fpga_imagenet16_120"] == [21.5, 22.5, 23.5]
    assert told["arithmetic_intensity@eyeriss"] == [1, 2, 3]
    assert len(told) == 9


class Malicious:
    def __init__(self, function: Any, *arguments: Any):
        self.reduced = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_something_is_refused_by_name(
    hardware: dict[str, Any], tmp_path: Path, protocol: int
) -> None:
    witness = tmp_path / "ran"
    for function, name in ((os.system, "posix.system"), (eval, r"(__builtin__|builtins)\.eval")):
        hardware["nasbench201"]["cifar10"]["config"] = Malicious(function, f"touch {witness}")
        with pytest.raises(InvalidBenchmark, match=rf"bad\.pickle: refused to load {name}; only"):
            read_release(pickled(hardware, tmp_path / "bad.pickle", protocol))
    assert not witness.exists()


def test_what_is_not_laid_out_so_is_named(hardware: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    for value in ([], {}, {"nasbench201": 3}, {"nasbench201": {"mnist": {}}}):
        with pytest.raises(InvalidBenchmark, match="no 'nasbench201' with one of cifar10"):
            read_release(pickled(value, path))
    table = hardware["nasbench201"]["cifar10"]
    for change, said in (
        ({"raspi4_latency": [1.0]}, r"raspi4_latency has the shape \[1\], not \[3\]"),
        ({"raspi4_latency": ["x", "y", "z"]}, "raspi4_latency holds no numbers"),
        ({"config": 7}, "cifar10 has no list 'config' of cells"),
        (
            {"config": list(reversed(table["config"]))},
            "the architectures of cifar100 are in another order",
        ),
    ):
        changed = {**hardware["nasbench201"], "cifar10": {**table, **change}}
        with pytest.raises(InvalidBenchmark, match=said):
            read_release(pickled({"nasbench201": changed}, path))
    path.write_bytes(b"no pickle")
    with pytest.raises(InvalidBenchmark, match="not a pickle file"):
        read_release(path)


def test_costs_join_the_accuracies_cell_by_cell(hardware: dict[str, Any], tmp_path: Path) -> None:
    costs = read_release(pickled(hardware, tmp_path / "a.pickle"))
    order = np.array([2, 0, 1])
    more = np.array([[1, 1, 1, 1, 1, 1]], dtype=np.int8)
    codes = np.concatenate([costs.codes[order], more])
    own = Records("nasbench201", codes, {("cifar10_test_acc", 200): np.arange(4.0)})
    found = join(own, costs)
    np.testing.assert_array_equal(found.columns["latency_ms@raspi4", None], [3, 1, 2, np.nan])
    assert found.columns["cifar10_test_acc", 200].tolist() == [0, 1, 2, 3]


def test_the_benchmark_takes_up_the_costs_beside_it(
    hardware: dict[str, Any], release_201: dict[str, Any], tmp_path: Path
) -> None:
    import torch

    torch.save(release_201, tmp_path / "one.pth")
    import_benchmark(
        "nasbench201", tmp_path / "one.pth", tmp_path / "nasbench201.npz", command="by hand"
    )
    assert "latency_ms@raspi4" not in tables.benchmark("nasbench201", tmp_path).metrics
    path = pickled(hardware, tmp_path / "a.pickle")
    import_benchmark("hw-nas-bench", path, tmp_path / "hw-nas-bench.npz", command="by hand")
    for data in (tmp_path, tmp_path / "nasbench201.npz"):
        found = tables.benchmark("nasbench201", data)
        assert found.values("latency_ms@raspi4").tolist() == [1, 2, 3]
        assert [path.name for path in found.files] == ["nasbench201.npz", "hw-nas-bench.npz"]
