"""Where benchmarks are looked for, and what is said where none is."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import tables
from spaces.errors import UnknownName
from spaces.files import write_text
from tables.benchmarks import available
from tables.benchmarks.entries import NASBENCH_MACRO
from tables.benchmarks.errors import InvalidBenchmark, MissingBenchmark
from tables.benchmarks.importing import import_benchmark
from tables.benchmarks.registry import (
    BENCHMARKS,
    DEFAULT_FOLDER,
    find,
    folders,
    register_benchmark,
)

MACRO = "nas-bench-macro_cifar10.json"


def macro(accuracy: float) -> str:
    entry = {
        "test_acc": [accuracy - 1, accuracy, accuracy + 1],
        "mean_acc": accuracy,
        "params": 5,
        "flops": 7,
    }
    return json.dumps({"00000000": entry, "01020102": {**entry, "params": 6}})


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; PATHFIT_REFERENCE_DATA names an empty folder in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PATHFIT_DATA", raising=False)
    (tmp_path / "reference").mkdir()
    monkeypatch.setenv("PATHFIT_REFERENCE_DATA", str(tmp_path / "reference"))
    return tmp_path


def value(data: Path | None = None) -> float:
    return tables.benchmark("nasbench-macro", data).best()[1]


def test_places_come_in_their_order(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {
        "reference/nasbench_macro": 60.0,
        "runs/benchmarks": 70.0,
        "first": 80.0,
        "given": 90.0,
    }
    with pytest.raises(MissingBenchmark):
        value()
    monkeypatch.setenv("PATHFIT_DATA", str(alone / "first"))
    for folder, accuracy in places.items():
        (alone / folder).mkdir(parents=True)
        (alone / folder / MACRO).write_text(macro(accuracy))
        assert value(alone / "given" if folder == "given" else None) == pytest.approx(accuracy)
    assert value() == pytest.approx(80.0)
    assert value(alone / "given" / MACRO) == pytest.approx(90.0)
    assert tables.benchmark("nasbench-macro").source == str(alone / "first" / MACRO)
    assert find("nasbench-macro") == alone / "first" / MACRO


@pytest.mark.parametrize("name", ["macro.v2.json", "macro.JSON", "macro.json.gz"])
def test_a_named_file_is_read_by_its_suffix(alone: Path, name: str) -> None:
    write_text(alone / name, macro(50.0))
    assert value(alone / name) == pytest.approx(50.0)


def test_a_compact_file_comes_before_what_it_was_made_of(alone: Path) -> None:
    (alone / MACRO).write_text(macro(50.0))
    import_benchmark("nasbench-macro", MACRO, "nasbench-macro.npz", command="by hand")
    found = tables.benchmark("nasbench-macro", ".")
    assert found.files == (Path("nasbench-macro.npz"),)
    assert found.best()[1] == pytest.approx(50.0)
    assert found.values("params").tolist() == [5, 6]
    assert found.to_dict()["files"][0]["file"] == "nasbench-macro.npz"
    assert len(found.to_dict()["files"][0]["sha256"]) == 64


@pytest.mark.parametrize(
    ("name", "official"),
    [
        ("nasbench201", "NAS-Bench-201-v1_1-096897.pth"),
        ("nasbench101", "nasbench_full.tfrecord"),
        ("nasbench-macro", MACRO),
    ],
)
def test_a_missing_file_is_named_with_its_source_and_the_command(
    alone: Path, name: str, official: str
) -> None:
    with pytest.raises(MissingBenchmark) as error:
        tables.benchmark(name)
    said = str(error.value)
    assert f"download {official} from https://github.com/" in said
    assert f"python -m tables import {official} --benchmark {name}" in said
    assert str(alone / "reference") in said
    with pytest.raises(MissingBenchmark, match=f"was found in {alone}"):
        tables.benchmark(name, alone)


def test_a_registered_benchmark_is_found_by_name(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BENCHMARKS, "_objects", dict(BENCHMARKS._objects))
    entry = dataclasses.replace(NASBENCH_MACRO, readable=(("mine.json", NASBENCH_MACRO.importer),))
    register_benchmark("mine", entry)
    (alone / "mine.json").write_text(macro(61.0))

    assert "mine" in available()
    assert tables.benchmark("mine", alone).best()[1] == pytest.approx(61.0)


def test_wrong_names_and_files_are_told(alone: Path) -> None:
    with pytest.raises(
        UnknownName,
        match=r"unknown benchmark 'nasbench401'; .*nasbench201",
    ):
        tables.benchmark("nasbench401")
    assert {"nasbench201", "nasbench101", "nasbench-macro"} <= {*available()}
    (alone / "NAS-Bench-201-v1_1-096897.pth").write_bytes(b"")
    with pytest.raises(
        InvalidBenchmark,
        match=r"no compact file \(\.npz\) of nasbench201; .* python -m tables import",
    ):
        tables.benchmark("nasbench201", "NAS-Bench-201-v1_1-096897.pth")
    with pytest.raises(InvalidBenchmark, match=r"ends in \.npz, not 'a\.json'"):
        import_benchmark("nasbench-macro", alone, alone / "a.json", command="")
    with pytest.raises(InvalidBenchmark, match="is a folder; nasbench-macro is made of the file"):
        import_benchmark("nasbench-macro", alone, alone / "a.npz", command="")
    with pytest.raises(UnknownName, match="unknown benchmark 'x'"):
        import_benchmark("x", alone, alone / "a.npz", command="")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "needs an object of networks"),
        ("{}", "needs an object of networks"),
        ('{"0000000x": {}}', "network '0000000x': invalid literal"),
        (
            '{"00000000": {"test_acc": [1], "flops": 1}}',
            "network '00000000': the key 'params' is missing",
        ),
        (
            '{"00000009": {"test_acc": [1], "flops": 1, "params": 1}}',
            "layer_8: code 9 is out of range",
        ),
        ('{"0": {"test_acc": [1], "flops": 1, "params": 1}}', "have the shape"),
        (
            f'{{"00000000": {{"test_acc": [1], "flops": 1{"0" * 400}, "params": 1}}}}',
            "not JSON: the integer 1000.* of 401 digits is too large",
        ),
        (
            '{"00000000": {"test_acc": [1], "flops": 1e999, "params": 1}}',
            "network '00000000': its accuracy, flops or params are not finite",
        ),
    ],
)
def test_a_broken_macro_file_is_told(alone: Path, text: str, said: str) -> None:
    (alone / MACRO).write_text(text)
    with pytest.raises(InvalidBenchmark, match=said):
        tables.benchmark("nasbench-macro", alone)


CSV = "index,arch_str,cifar10_test_acc,cifar10_test_acc_12_epochs,oneshot_supernet_acc\n"
CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"


def test_csv_files_are_read_plain_and_with_latencies_in_another_order(alone: Path) -> None:
    other = CELL.replace("none~0|+|n", "skip_connect~0|+|n", 1)
    (alone / "accuracy.csv").write_text(f"{CSV}7,{CELL},10,9,8\n3,{other},20,19,\n")
    (alone / "latency_ms.csv").write_text("index,raspi4\n3,0.3\n7,0.7\n")
    found = tables.benchmark("nasbench201", alone)
    assert found.values("latency_ms@raspi4").tolist() == [0.7, 0.3]
    assert found.values("cifar10_test_acc").tolist() == [10, 20]
    assert found.values("cifar10_test_acc", 12).tolist() == [9, 19]
    np.testing.assert_array_equal(found.values("oneshot_supernet_acc"), [8, np.nan])
    assert [path.name for path in found.files] == ["accuracy.csv", "latency_ms.csv"]
    (alone / "latency_ms.csv").write_text("index,raspi4\n3,0.3\n7,0.7\n3,0.4\n")
    with pytest.raises(InvalidBenchmark, match="the index 3 occurs a second time"):
        tables.benchmark("nasbench201", alone)
    (alone / "latency_ms.csv").write_text("index,raspi4\n3,0.3\n")
    with pytest.raises(InvalidBenchmark, match="no row has the index 7"):
        tables.benchmark("nasbench201", alone)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a CSV file with a header"),
        ("index\n1\n", "the column 'arch_str' is missing; the file has: index"),
        (f"index,{CSV}1,1,{CELL},1,1,1\n", "the column 'index' occurs a second time"),
        (f"{CSV}1,{CELL},5\n", "line 2: 3 fields in place of 5"),
        (
            f"{CSV}1,{CELL},5,6,7\n2,{CELL},high,6,7\n",
            "line 3: cifar10_test_acc is 'high', which is no number",
        ),
        (f"{CSV}1,{CELL},inf,6,7\n", "line 2: cifar10_test_acc is 'inf', which is no number"),
        (f"{CSV}1,|none~0|,5,6,7\n", "architecture 0: a cell of NAS-Bench-201 has 3 nodes"),
        (f"index,arch_str,colour\n1,{CELL},5\n", "the column 'colour' is not named after a metric"),
    ],
)
def test_broken_csv_files_are_told(alone: Path, text: str, said: str) -> None:
    (alone / "accuracy.csv").write_text(text)
    with pytest.raises(InvalidBenchmark, match=said):
        tables.benchmark("nasbench201", alone)


def test_folders_end_with_the_reference_data_where_they_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATHFIT_REFERENCE_DATA", str(tmp_path))
    assert folders()[-1] == tmp_path

    monkeypatch.delenv("PATHFIT_REFERENCE_DATA")
    assert folders()[-1] == DEFAULT_FOLDER
