"""The FLOPs table of the SPOS release, made here from the numbers that the reference states."""

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from spaces import formats
from spaces.chains.chain import ChainSpace
from spaces.errors import InvalidFile

OPERATIONS = ("shufflenet_3x3", "shufflenet_5x5", "shufflenet_7x7", "xception_3x3")

# Inputs, outputs, hidden, side of the input, stride -> MACs with kernel 3, 5, 7 and as xception.
MACS = {
    (16, 64, 32, 112, 112, 2): (13396992, 15805440, 19418112, 13146112),
    (64, 64, 32, 56, 56, 1): (7325696, 8931328, 11339776, 12343296),
    (64, 160, 80, 56, 56, 2): (26304768, 28111104, 30820608, 20296192),
    (160, 160, 80, 28, 28, 1): (10599680, 11603200, 13108480, 16746240),
    (160, 320, 160, 28, 28, 2): (30670080, 31673600, 33178880, 21199360),
    (320, 320, 160, 14, 14, 1): (10317440, 10819200, 11571840, 15899520),
    (320, 640, 320, 14, 14, 2): (30387840, 30889600, 31642240, 20634880),
    (640, 640, 320, 7, 7, 1): (10176320, 10427200, 10803520, 15476160),
}


def release_table() -> dict[str, Any]:
    table: dict[str, Any] = {
        f"{operation}_stride_{stride}": {} for operation in OPERATIONS for stride in (1, 2)
    }
    for key, numbers in MACS.items():
        for operation, macs in zip(OPERATIONS, numbers, strict=True):
            table[f"{operation}_stride_{key[-1]}"][key] = macs
    table["conv1"] = {(3, 16, 224, 224, 2): 5419008}
    table["rest_operation"] = {(640, 1000, 7, 7, 1): 33136640}
    return table


def dump(path: Path, value: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_release_table_covers_the_space_with_right_macs(tmp_path: Path, protocol: int) -> None:
    table = formats.read_flops_table(dump(tmp_path / "table.pkl", release_table(), protocol))
    assert len(table) == 34
    assert {blocks: sum(block.macs for block in blocks) for blocks in table} == table
    space = spaces.get("spos")
    assert isinstance(space, ChainSpace)
    assert {block.key for blocks in table for block in blocks} == set(space.all_blocks)
    costs = {blocks[0].key: macs for blocks, macs in table.items()}
    rest = space.fixed_blocks[1:]
    costs[rest[1].key] = 0  # the release counts the classifier with the convolution before it
    sums = space.additive_table(lambda block: costs[block.key], np.int64)
    codes = space.sample(np.random.default_rng(0), 50)
    assert sums(codes).tolist() == space.macs(codes).tolist()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([], r"a table of FLOPs is a dict of dicts, not \[\]"),
        ({}, "a table of FLOPs is a dict of dicts"),
        ({"conv1": 3}, "conv1: expected a dict, not 3"),
        ({"conv2": {(3, 16, 224, 224, 2): 1}}, "unknown operation 'conv2'"),
        (
            {"xception_5x5_stride_1": {(1, 1, 1, 1, 1, 1): 1}},
            "unknown operation 'xception_5x5_stride_1'",
        ),
        (
            {"shufflenet_3x5_stride_1": {(1, 1, 1, 1, 1, 1): 1}},
            "unknown operation 'shufflenet_3x5_stride_1'",
        ),
        ({7: {(3, 16, 224, 224, 2): 1}}, "unknown operation 7"),
        ({"conv1": {(3, 16, 224, 2): 1}}, r"conv1: the key \(3, 16, 224, 2\) is not a tuple of 5"),
        ({"conv1": {"3": 1}}, "conv1: the key '3' is not a tuple of 5"),
        (
            {"conv1": {(3, 16, 224, 224, 0): 1}},
            "conv1: the key .* is not a tuple of 5 positive integers",
        ),
        (
            {"shufflenet_3x3_stride_1": {(64, 64, 32, 56, 56, 2): 1}},
            "shufflenet_3x3_stride_1: .* has the stride 2",
        ),
        (
            {"conv1": {(3, 16, 224, 224, 2): "1"}},
            r"conv1, \(3, 16, 224, 224, 2\): the MACs are a positive integer",
        ),
        (
            {"conv1": {(3, 16, 224, 224, 2): 1.5}},
            "conv1, .*: the MACs are a positive integer, not 1.5",
        ),
        (
            {"conv1": {(3, 16, 224, 224, 2): float("inf")}},
            "conv1, .*: the MACs are a positive integer, not inf",
        ),
        (
            {"conv1": {(3, 16, 224, 224, 2): True}},
            "conv1, .*: the MACs are a positive integer, not True",
        ),
    ],
)
def test_wrong_tables_are_named(tmp_path: Path, value: object, named: str) -> None:
    with pytest.raises(InvalidFile, match=f"^{tmp_path / 'table.pkl'}: {named}"):
        formats.read_flops_table(dump(tmp_path / "table.pkl", value))


class Command:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_in_a_pickle_is_refused_by_name_and_does_not_run(
    tmp_path: Path, protocol: int
) -> None:
    target = tmp_path / "made"
    path = dump(tmp_path / "table.pkl", {"conv1": Command(target)}, protocol)
    with pytest.raises(
        InvalidFile, match=r"refused to load (posix|nt)\.mkdir; only plain containers"
    ):
        formats.read_flops_table(path)
    assert not target.exists()


def test_numbers_of_numpy_are_refused_by_name(tmp_path: Path) -> None:
    path = dump(tmp_path / "table.pkl", {"conv1": {(3, 16, 224, 224, 2): np.int64(1)}})
    with pytest.raises(InvalidFile, match="refused to load numpy"):
        formats.read_flops_table(path)


HUGE_MEMO = b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b"."


@pytest.mark.parametrize(
    ("content", "named"),
    [
        *(
            (content, "not a pickle file")
            for content in (b"", b"{}", b"\x80\x02}", b"\x80\x02}q", b".")
        ),
        (b"\x80\x02Pabc\n.", "refused to load the persistent object 'abc'"),
        (HUGE_MEMO, "the memo index 4294967295 is out of range"),
    ],
)
def test_what_is_no_pickle_is_refused(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "table.pkl"
    path.write_bytes(content)
    with pytest.raises(InvalidFile, match=f"^{path}: {named}"):
        formats.read_flops_table(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"^cannot read .*table.pkl: No such file"):
        formats.read_flops_table(tmp_path / "table.pkl")
