"""NAS-Bench-101's records: a file of TensorBoard's writer, messages of protobuf's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from spaces.cells.graph_hash import graph_hashes
from tables.benchmarks import Benchmark
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.nasbench101_release import read_release
from tables.benchmarks.protobuf import fields
from tables.benchmarks.tfrecord import crc32c, masked_crc32c, read_records


def test_records_give_means_over_runs_at_the_end(tfrecord: Path) -> None:
    told: list[float] = []
    found = read_release(tfrecord, lambda share, text: told.append(share))
    benchmark = Benchmark("nasbench101", found)
    cell = np.arange(10)
    codes = spaces.get("nasbench101").sample(np.random.default_rng(0), 10)
    assert benchmark.codes().tolist() == codes.tolist()
    for epochs in (4, 108):
        assert benchmark.values("cifar10_valid_acc", epochs) == pytest.approx(50 + cell + 0.1)
        assert benchmark.values("cifar10_test_acc", epochs) == pytest.approx(60 + cell + 0.1)
        assert benchmark.values("train_seconds", epochs) == pytest.approx([10 * epochs] * 10)
    assert benchmark.values("params").tolist() == (cell + 1000).tolist()
    assert benchmark.epochs("cifar10_valid_acc") == (4, 108)
    assert found.hashes is not None
    assert [name.decode() for name in found.hashes] == graph_hashes(codes)
    assert told
    assert 0 < told[-1] <= 1


def test_records_are_read_one_by_one(tfrecord: Path, records_101: list[bytes]) -> None:
    found = list(read_records(tfrecord))
    assert [content for content, _ in found] == records_101
    assert found[-1][1] == tfrecord.stat().st_size


@given(contents=st.lists(st.binary(max_size=70), max_size=8))
def test_checksums_are_those_of_tensorboard(contents: list[bytes]) -> None:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c as theirs

    assert masked_crc32c(contents).tolist() == [theirs(content) for content in contents]


def test_the_checksum_of_the_standard_is_reproduced() -> None:
    # RFC 3720, B.4: 32 bytes of zeros; and the check value of the polynomial's catalogue.
    assert crc32c([bytes(32), b"123456789", b""]).tolist() == [0x8A9136AA, 0xE3069283, 0]


@pytest.mark.parametrize("place", [0, 9, 40, -1])
def test_a_damaged_byte_is_noticed(tfrecord: Path, tmp_path: Path, place: int) -> None:
    content = bytearray(tfrecord.read_bytes())
    content[place] ^= 1
    (tmp_path / "bad.tfrecord").write_bytes(content)
    with pytest.raises(InvalidBenchmark, match=r"bad\.tfrecord: record (0|59): "):
        read_release(tmp_path / "bad.tfrecord")


@pytest.mark.parametrize("cut", [3, 11, 100, -1])
def test_a_cut_file_is_noticed(tfrecord: Path, tmp_path: Path, cut: int) -> None:
    (tmp_path / "cut.tfrecord").write_bytes(tfrecord.read_bytes()[:cut])
    with pytest.raises(InvalidBenchmark, match="the file ends within it"):
        read_release(tmp_path / "cut.tfrecord")


@pytest.mark.parametrize(
    "change",
    [
        {0: "not a hash"},
        {1: "many"},
        {2: "0110"},
        {3: "input,conv9x9,output"},
        {4: "!!!"},
        {4: "CgkR"},
        {4: ""},
    ],
)
def test_records_that_are_not_the_benchmarks_are_named(
    records_101: list[bytes], tmp_path: Path, change: dict[int, str]
) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    record = json.loads(records_101[0])
    for place, value in change.items():
        record[place] = value
    path = tmp_path / "odd.tfrecord"
    with open(path, "wb") as file:
        RecordWriter(file).write(json.dumps(record).encode())
    with pytest.raises(InvalidBenchmark, match=r"odd\.tfrecord"):
        read_release(path)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just(2), st.integers(0, 2**31 - 1)),
            st.tuples(st.just(3), st.floats(allow_nan=False)),
        ),
        max_size=5,
    )
)
def test_messages_are_read_as_protobuf_writes_them(values: list[tuple[int, float]]) -> None:
    from google.protobuf.internal.encoder import DoubleEncoder, Int32Encoder

    parts: list[bytes] = []
    for number, value in values:
        encode = (Int32Encoder if number == 2 else DoubleEncoder)(number, False, False)
        encode(parts.append, value, True)
    assert list(fields(b"".join(parts))) == values
    if parts:
        with pytest.raises(ValueError, match=r"ends within|wire type"):
            list(fields(b"".join(parts)[:-1]))
