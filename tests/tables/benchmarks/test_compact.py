"""Compact files: round trips, and nothing that is broken is taken."""

import json
from pathlib import Path

import numpy as np
import pytest

import spaces
from tables.benchmarks import compact
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.records import Records

SPACE = spaces.get("nasbench-macro")


def records(count: int = 40) -> Records:
    rng = np.random.default_rng(3)
    codes = np.unique(SPACE.sample(rng, 4 * count), axis=0)[:count]
    values = rng.random(count)
    values[5] = np.nan
    return Records(
        SPACE.name,
        SPACE.check(codes),
        {("cifar10_test_acc", 4): values, ("macs", None): values * 1e9},
    )


def test_a_file_gives_the_records_back(tmp_path: Path) -> None:
    given = records()
    compact.write(
        tmp_path / "a.npz", "nasbench-macro", given, {"file": "x.json", "sha256": "0"}, "by hand"
    )
    found = compact.read(tmp_path / "a.npz", "nasbench-macro")
    assert found.codes.tolist() == given.codes.tolist()
    assert found.codes.dtype == SPACE.dtype
    assert list(found.columns) == list(given.columns)
    for key, values in given.columns.items():
        np.testing.assert_array_equal(found.columns[key], values)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        header = json.loads(file["header"].tobytes())
    assert header["command"] == "by hand"
    assert header["source"] == {"file": "x.json", "sha256": "0"}


def test_files_of_others_and_broken_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    compact.write(path, "nasbench-macro", records(), {}, "by hand")
    with pytest.raises(InvalidBenchmark, match="of nasbench-macro, not of nasbench201"):
        compact.read(path, "nasbench201")
    content = path.read_bytes()
    for broken in (
        b"",
        b"PK",
        content[: len(content) // 2],
        content[:400] + b"\0" * 50 + content[450:],
    ):
        path.write_bytes(broken)
        with pytest.raises(InvalidBenchmark, match=r"a\.npz: not a compact file of a benchmark: "):
            compact.read(path, "nasbench-macro")


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("codes", np.full((40, 8), 9), "layer_1: code 9 is out of range"),
        ("codes", np.zeros((40, 7), dtype=int), "have the shape"),
        ("values", np.zeros((2, 39)), "2 columns of 40 rows, but values of the shape"),
        ("values", np.zeros((2, 40), dtype=int), "2 columns of 40 rows"),
        ("hashes", np.zeros(40), "the hashes do not fit the rows"),
        ("header", np.frombuffer(b"{}", dtype=np.uint8), "the key 'format' is missing"),
        ("codes", np.array([["a", object()]], dtype=object), "pickle"),
    ],
)
def test_parts_that_do_not_fit_are_named(
    tmp_path: Path, part: str, value: np.ndarray, said: str
) -> None:
    path = tmp_path / "a.npz"
    compact.write(path, "nasbench-macro", records(), {}, "by hand")
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    np.savez(path, **{**arrays, part: value})
    with pytest.raises(InvalidBenchmark, match=said):
        compact.read(path, "nasbench-macro")
