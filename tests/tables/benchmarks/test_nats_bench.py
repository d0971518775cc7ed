"""NATS-Bench's files give the values of NAS-Bench-201's, and run nothing."""

import bz2
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import tables
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.nasbench201_release import read_release
from tables.benchmarks.records import Records
from tables.commands import main


def compressed(value: Any, path: Path) -> Path:
    """Write a value as NATS-Bench's own `pickle_save` does."""
    path.write_bytes(bz2.compress(pickle.dumps(value, protocol=4)))
    return path


def nats_infos(release: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return the cells of NAS-Bench-201's release under NATS-Bench's names of the trainings."""
    return {
        index: {"12": info["less"], "200": info["full"]}
        for index, info in release["arch2infos"].items()
    }


@pytest.fixture
def folder(release_201: dict[str, Any], tmp_path: Path) -> Path:
    """The folder of one file per cell."""
    folder = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    folder.mkdir()
    for index, info in nats_infos(release_201).items():
        compressed(info, folder / f"{index:06d}.pickle.pbz2")
    compressed({"meta_archs": release_201["meta_archs"]}, folder / "meta.pickle.pbz2")
    return folder


def check_equal(records: Records, expected: Records) -> None:
    np.testing.assert_array_equal(records.codes, expected.codes)
    assert records.columns.keys() == expected.columns.keys()
    for column, values in expected.columns.items():
        np.testing.assert_array_equal(records.columns[column], values)


def test_folder_and_file_have_the_values_of_nasbench201(
    release_201: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    torch.save(release_201, tmp_path / "one.pth")
    expected = read_release(tmp_path / "one.pth")
    release = {
        "meta_archs": release_201["meta_archs"],
        "arch2infos": nats_infos(release_201),
        "evaluated_indexes": {0, 1, 2},
    }
    file = compressed(release, tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2")

    check_equal(read_release(folder), expected)
    check_equal(read_release(file), expected)


def test_the_command_imports_a_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "nasbench201.npz"
    done = CliRunner().invoke(
        main, ["import", str(folder), "--benchmark", "nasbench201", "-o", str(output)]
    )
    assert done.exit_code == 0, done.output
    # The accuracy of cell i is 50 + 10 i + 19.9, and 1 more for one of two seeds.
    assert tables.benchmark("nasbench201", output).best()[1] == pytest.approx(90.4)


class Malicious:
    """Runs a command where it is unpickled."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_a_file_that_would_run_something_is_refused(folder: Path, tmp_path: Path) -> None:
    compressed({"12": Malicious(f"touch {tmp_path / 'ran'}")}, folder / "000001.pickle.pbz2")
    with pytest.raises(InvalidBenchmark, match=r"000001.*refused to load posix\.system"):
        read_release(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"12": {}, "90": {}, "01": {}}, "a network of NATS-Bench's size space"),
        ({"12": {}}, r"a cell needs the trainings '12' and '200' \(epochs\)"),
        ([1], r"a cell needs the trainings '12' and '200' \(epochs\)"),
        ({"12": {}, "200": {"arch_str": 5}}, r"cell 0: the key 'dataset_seed' is missing"),
        ({"12": torch.zeros(2)}, r"refused to load torch.*-simple has no weights"),
    ],
)
def test_other_layouts_are_named(tmp_path: Path, value: Any, message: str) -> None:
    compressed(value, tmp_path / "000000.pickle.pbz2")
    with pytest.raises(InvalidBenchmark, match=message):
        read_release(tmp_path)


def test_files_that_are_none_of_nats_bench_are_refused(tmp_path: Path) -> None:
    path = compressed({"meta_archs": []}, tmp_path / "a.pickle.pbz2")
    with pytest.raises(InvalidBenchmark, match="it needs 'arch2infos'"):
        read_release(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InvalidBenchmark, match="cannot be unpacked"):
        read_release(path)
    path.write_bytes(b"plain")
    with pytest.raises(InvalidBenchmark, match="cannot be unpacked"):
        read_release(path)
    path.rename(tmp_path / "meta.pickle.pbz2")
    with pytest.raises(InvalidBenchmark, match=r"no file of a cell, such as 000000\.pickle"):
        read_release(tmp_path)
