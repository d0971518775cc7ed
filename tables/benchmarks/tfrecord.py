"""TensorFlow's record files, read without TensorFlow, every checksum checked.

A record is its length (uint64), the masked CRC-32C of these 8 bytes (uint32), its bytes, and their
masked CRC-32C (uint32), all little-endian; masked: rotated right by 15 bits and 0xa282ead8 added
(TensorFlow's documentation of TFRecord).
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tables.benchmarks.errors import InvalidBenchmark

_HEAD, _TAIL = struct.Struct("<QI"), struct.Struct("<I")
_BATCH = 4096
_TOO_LONG = 1 << 24
"""Bytes of a record; those of NAS-Bench-101 have some hundred."""


def read_records(path: Path) -> Iterator[tuple[bytes, int]]:
    """The records of a file, one after the other, each with the place in the file behind it.

    Raises:
        InvalidBenchmark: the file ends within a record, or a checksum is wrong; the record is
            named.
    """
    batch: list[tuple[bytes, int, int]] = []
    number = 0
    with open(path, "rb", buffering=1 << 20) as file:
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise InvalidBenchmark(f"{path}: record {number}: the file ends within it")
            length, check = _HEAD.unpack(head)
            if length > _TOO_LONG or masked_crc32c([head[:8]])[0] != check:
                raise InvalidBenchmark(
                    f"{path}: record {number}: not a TFRecord file, or its length is damaged"
                )
            rest = file.read(length + _TAIL.size)
            if len(rest) < length + _TAIL.size:
                raise InvalidBenchmark(f"{path}: record {number}: the file ends within it")
            batch.append((rest[:length], _TAIL.unpack(rest[length:])[0], file.tell()))
            number += 1
            if len(batch) == _BATCH:
                yield from _checked(path, batch, number)
                batch = []
    yield from _checked(path, batch, number)


def _checked(
    path: Path, batch: Sequence[tuple[bytes, int, int]], end: int
) -> Iterator[tuple[bytes, int]]:
    given = np.array([check for _, check, _ in batch], dtype=np.uint32)
    wrong = np.flatnonzero(masked_crc32c([content for content, _, _ in batch]) != given)
    if len(wrong):
        raise InvalidBenchmark(
            f"{path}: record {end - len(batch) + int(wrong[0])}: its checksum is wrong"
        )
    yield from ((content, place) for content, _, place in batch)


def masked_crc32c(contents: Sequence[bytes]) -> NDArray[np.uint32]:
    """The masked CRC-32C (Castagnoli) of byte strings: uint32 array [n]."""
    found = crc32c(contents)
    return ((found >> np.uint32(15)) | (found << np.uint32(17))) + np.uint32(0xA282EAD8)


def crc32c(contents: Sequence[bytes]) -> NDArray[np.uint32]:
    """The CRC-32C of byte strings: uint32 array [n]; byte by byte, but all strings at once."""
    order = sorted(range(len(contents)), key=lambda index: -len(contents[index]))
    lengths = np.array([len(contents[index]) for index in order], dtype=np.int64)
    longest = int(lengths[0]) if len(lengths) else 0
    padded = b"".join(contents[index].ljust(longest, b"\0") for index in order)
    columns = np.frombuffer(padded, dtype=np.uint8).reshape(len(order), longest).T.copy()
    table, state = _table(), np.full(len(order), 0xFFFFFFFF, dtype=np.uint32)
    # Longest first, so that those which have a byte at a place are the first ones.
    counts = len(lengths) - np.searchsorted(lengths[::-1], np.arange(longest), side="right")
    for column, count in zip(columns, counts.tolist(), strict=True):
        part = state[:count]
        state[:count] = table[(part ^ column[:count]) & np.uint32(0xFF)] ^ (part >> np.uint32(8))
    found = np.empty_like(state)
    found[order] = ~state
    return found


@functools.cache
def _table() -> NDArray[np.uint32]:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(0x82F63B78), values >> 1).astype(
            np.uint32
        )
    return values
