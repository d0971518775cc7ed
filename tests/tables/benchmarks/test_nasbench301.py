"""NAS-Bench-301's trained networks, on files written by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

import spaces
import tables
from spaces import formats
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.importing import import_benchmark
from tables.benchmarks.nasbench301 import read_folder

PREFIX = "NetworkSelectorDatasetInfo:darts:"

# Edges 0 and 1 enter the first node, 2 to 4 the second, 5 to 8 the third, 9 to 13 the last.
CELL = {
    "edge_{}_0": "sep_conv_3x3",
    "edge_{}_1": "max_pool_3x3",
    "inputs_node_{}_3": "0_2",
    "edge_{}_2": "skip_connect",
    "edge_{}_4": "dil_conv_5x5",
    "inputs_node_{}_4": "1_2",
    "edge_{}_6": "sep_conv_5x5",
    "edge_{}_7": "avg_pool_3x3",
    "inputs_node_{}_5": "0_4",
    "edge_{}_9": "dil_conv_3x3",
    "edge_{}_13": "skip_connect",
}
GENOTYPE = (
    "Genotype(normal={0}, normal_concat=[2, 3, 4, 5], reduce={0}, reduce_concat=[2, 3, 4, 5])"
).format(
    "[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2),"
    " ('sep_conv_5x5', 1), ('avg_pool_3x3', 2), ('dil_conv_3x3', 0), ('skip_connect', 4)]"
)


def result(validation: float, test: float) -> dict[str, Any]:
    cells = {
        PREFIX + key.format(cell): value
        for cell in ("normal", "reduce")
        for key, value in CELL.items()
    }
    return {
        "optimized_hyperparamater_config": {"CreateImageDataLoader:batch_size": 96, **cells},
        "budget": 98,
        "info": [{"val_accuracy": validation}],
        "test_accuracy": test,
    }


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


def test_trainings_are_architectures_of_darts(tmp_path: Path) -> None:
    write(tmp_path / "rs" / "results_0.json", result(94.0, 93.0))
    write(tmp_path / "de" / "results_0.json", result(95.0, 94.5))
    output = tmp_path / "nasbench301.npz"

    import_benchmark("nasbench301", tmp_path, output, command="by hand")
    benchmark = tables.benchmark("nasbench301", output)

    architecture = formats.read(GENOTYPE, "darts", spaces.get("darts"))
    assert len(benchmark) == 1
    assert benchmark.query(architecture) == pytest.approx(94.5)
    assert benchmark.query(architecture, "cifar10_test_acc") == pytest.approx(93.75)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("inputs_node_normal_3", "0", "inputs_node_normal_3 is two numbers such as '0_1', not '0'"),
        ("inputs_node_reduce_5", "0_9", "edge_reduce_18 is missing, which"),
        ("edge_normal_13", None, "edge_normal_13 is missing"),
        ("edge_reduce_0", "conv_9x9", "unknown candidate 'conv_9x9'"),
    ],
)
def test_broken_cells_are_named(tmp_path: Path, key: str, value: object, named: str) -> None:
    broken = result(94.0, 93.0)
    broken["optimized_hyperparamater_config"][PREFIX + key] = value
    write(tmp_path / "results_0.json", broken)

    with pytest.raises(InvalidBenchmark, match=named):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"info": []}, r"info\[0\].val_accuracy must be a number"),
        ({"info": [3]}, r"info\[0\].val_accuracy must be a number"),
        ({"test_accuracy": "high"}, "test_accuracy must be a number from 0 to 100"),
        ({"optimized_hyperparamater_config": []}, "not a result of NAS-Bench-301"),
    ],
)
def test_broken_results_are_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    write(tmp_path / "results_0.json", {**result(94.0, 93.0), **change})

    with pytest.raises(InvalidBenchmark, match=named):
        read_folder(tmp_path)


def test_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidBenchmark, match=r"no \.json file of a trained network"):
        read_folder(tmp_path)
