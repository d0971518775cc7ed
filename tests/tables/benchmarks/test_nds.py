"""NDS's JSON files, on rows written by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

import spaces
import tables
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.importing import import_benchmark
from tables.benchmarks.nds import read_resnet, read_resnext


def resnet(depths: list[int], widths: list[int], error: float) -> dict[str, Any]:
    net = {"ds": [1, *depths], "ws": [16, *widths], "ss": [1, 1, 2, 2], "bot_muls": []}
    return {"net": {**net, "num_gs": []}, "min_test_top1": error, "params": 1, "flops": 2}


ROWS = [
    resnet([1, 2, 3], [16, 24, 32], 8.0),
    resnet([24, 1, 16], [256, 16, 128], 5.5),
    resnet([1, 2, 3], [16, 24, 32], 9.0),
]


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_resnets_have_the_mean_accuracy_of_their_trainings(tmp_path: Path) -> None:
    write(tmp_path / "ResNet.json", ROWS)

    benchmark = tables.benchmark("nds-resnet", tmp_path)

    assert len(benchmark) == 2
    space = spaces.get("nds-resnet")
    first = {
        "depth_1": "d1",
        "width_1": "w16",
        "depth_2": "d2",
        "width_2": "w24",
        "depth_3": "d3",
        "width_3": "w32",
    }
    assert benchmark.query(space.architecture(first)) == pytest.approx(91.5)
    best, accuracy = benchmark.best("cifar10_test_acc")
    assert accuracy == 94.5
    assert best.choices["depth_1"] == "d24"


def test_resnexts_have_ratios_and_groups(tmp_path: Path) -> None:
    net = {
        "ds": [1, 16, 1, 2],
        "ws": [16, 64, 256, 32],
        "bot_muls": [0, 0.25, 1, 0.5],
        "num_gs": [0, 4, 1, 2],
    }
    path = write(tmp_path / "ResNeXt-A.json", [{"net": net, "min_test_top1": 4.25}])

    records = read_resnext(path)

    (architecture,) = spaces.get("nds-resnext").decode(records.codes)
    assert architecture.choices["ratio_1"] == "b0.25"
    assert architecture.choices["groups_3"] == "g2"
    assert records.columns["cifar10_test_acc", None].tolist() == [95.75]


def test_imported_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "ResNet_rng1.json", ROWS)

    import_benchmark("nds-resnet", path, tmp_path / "nds-resnet.npz", command="by hand")

    assert tables.benchmark("nds-resnet", tmp_path / "nds-resnet.npz").best()[1] == 94.5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"min_test_top1": "low"}, "network 0: min_test_top1 must be a number"),
        ({"min_test_top1": 101}, "min_test_top1 must be a number from 0 to 100, not 101"),
        ({"net": None}, "network 0 has no 'net'"),
        ({"net": {"ds": [1, 1, 1], "ws": [16, 16, 16, 16]}}, "ds has a value for the stem and"),
        ({"net": {"ds": [1, 5, 1, 1], "ws": [16, 16, 16, 16]}}, "depth_1: unknown candidate 'd5'"),
        ({"net": {"ds": [1, 1, 1, 1]}}, "network 0 lacks ws"),
        ({"net": {"ds": [1, True, 1, 1], "ws": [16, 16, 16, 16]}}, "ds has numbers, not True"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    path = write(tmp_path / "ResNet.json", [{**ROWS[0], **change}])

    with pytest.raises(InvalidBenchmark, match=named):
        read_resnet(path)


@pytest.mark.parametrize("text", ["{}", "[]", "[1", "nothing"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ResNet.json"
    path.write_text(text)

    with pytest.raises(InvalidBenchmark, match=r"ResNet\.json"):
        read_resnet(path)
