"""NAS-Bench-201's own files: what is read of them, and what is refused."""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tables.benchmarks import Benchmark
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.nasbench201_release import read_release


def saved(value: Any, path: Path, old: bool = False) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not old)
    return path


@pytest.mark.parametrize("old", [False, True])
def test_the_one_file_gives_means_over_seeds_of_the_last_epoch(
    release_201: dict[str, Any], tmp_path: Path, old: bool
) -> None:
    found = read_release(saved(release_201, tmp_path / "NAS-Bench-201-v1_1-096897.pth", old))
    benchmark = Benchmark("nasbench201", found)
    assert benchmark.codes().tolist() == [
        [3, 0, 1, 4, 2, 0],
        [0, 1, 3, 0, 0, 3],
        [2, 2, 2, 1, 0, 4],
    ]
    index = np.arange(3)
    for data in ("cifar10", "cifar100", "imagenet16_120"):
        more = 0.0 if data == "cifar100" else 0.5  # CIFAR-100 has one seed
        for split in ("valid", "test"):
            assert benchmark.values(f"{data}_{split}_acc") == pytest.approx(
                50 + 10 * index + 19.9 + more
            )
            assert benchmark.values(f"{data}_{split}_acc", 12) == pytest.approx(
                50 + 10 * index + 1.1 + more
            )
            assert benchmark.values(f"{data}_{split}_loss") == pytest.approx(
                (50 + 10 * index + 19.9 + more) / 100
            )
    assert benchmark.values("train_seconds") == pytest.approx(200 * (2.0 + index))
    assert benchmark.values("train_seconds", 12) == pytest.approx(12 * (2.0 + index))
    assert benchmark.values("latency_ms@1080ti_256") == pytest.approx(11.0 + index)


def test_a_folder_of_one_file_a_cell_gives_the_same(
    release_201: dict[str, Any], tmp_path: Path
) -> None:
    whole = read_release(saved(release_201, tmp_path / "one.pth"))
    folder = tmp_path / "NAS-Bench-201-v1_1-archive"
    folder.mkdir()
    for index, info in release_201["arch2infos"].items():
        saved(info, folder / f"{index:06d}-FULL.pth")
    told: list[float] = []
    found = read_release(folder, lambda share, text: told.append(share))
    assert found.codes.tolist() == whole.codes.tolist()
    assert found.columns.keys() == whole.columns.keys()
    assert all(np.array_equal(found.columns[key], whole.columns[key]) for key in whole.columns)
    assert told == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_data_set_that_one_cell_lacks_is_no_number(
    release_201: dict[str, Any], tmp_path: Path
) -> None:
    del release_201["arch2infos"][1]["less"]["dataset_seed"]["cifar100"]
    found = read_release(saved(release_201, tmp_path / "one.pth"))
    assert np.isnan(found.columns["cifar100_test_acc", 12]).tolist() == [False, True, False]
    assert not np.isnan(found.columns["cifar100_test_acc", 200]).any()


class Malicious:
    """Runs a command where it is unpickled."""

    def __init__(self, function: Any, argument: Any):
        self.function, self.argument = function, argument

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, (self.argument,)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.system, "posix.system"),
        (subprocess.check_output, "subprocess.check_output"),
        (eval, "builtins.eval"),
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_a_file_that_would_run_something_is_refused_by_name(
    release_201: dict[str, Any], tmp_path: Path, function: Any, name: str, old: bool
) -> None:
    witness = tmp_path / "ran"
    release_201["evaluated_indexes"] = Malicious(function, f"touch {witness}")
    with pytest.raises(
        InvalidBenchmark, match=r"bad\.pth: refused to load \S*" + name.rpartition(".")[2]
    ):
        read_release(saved(release_201, tmp_path / "bad.pth", old))
    assert not witness.exists()


def test_what_is_not_laid_out_so_is_named(release_201: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidBenchmark, match="it needs 'meta_archs' and 'arch2infos'"):
        read_release(saved({"a": 1}, tmp_path / "a.pth"))
    with pytest.raises(InvalidBenchmark, match="it needs 'meta_archs' and 'arch2infos'"):
        read_release(saved([1, 2], tmp_path / "a.pth"))
    del release_201["arch2infos"][2]["less"]
    with pytest.raises(InvalidBenchmark, match=r"a\.pth: cell 2: the key 'less' is missing"):
        read_release(saved(release_201, tmp_path / "a.pth"))
    release_201["arch2infos"] = {0: {"full": 5, "less": 5}}
    with pytest.raises(InvalidBenchmark, match=r"a\.pth: cell 0: "):
        read_release(saved(release_201, tmp_path / "a.pth"))
    (tmp_path / "a.pth").write_bytes(b"\x80\x02nothing")
    with pytest.raises(InvalidBenchmark, match=r"a\.pth: "):
        read_release(tmp_path / "a.pth")
    with pytest.raises(InvalidBenchmark, match=r"has files named 000000-FULL\.pth"):
        read_release(tmp_path)


def test_a_cell_string_that_cannot_be_read_is_named(
    release_201: dict[str, Any], tmp_path: Path
) -> None:
    release_201["arch2infos"][1]["full"]["arch_str"] = (
        "|nor_conv_9x9~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    )
    with pytest.raises(
        InvalidBenchmark, match="architecture 1: edge 0 -> 1: unknown operation 'nor_conv_9x9'"
    ):
        read_release(saved(release_201, tmp_path / "a.pth"))
