"""Reader of TensorFlow's record files without TensorFlow, with every checksum verified.

A record is its length (uint64), the masked CRC-32C of these 8 bytes (uint32), its bytes, and their
masked CRC-32C (uint32), all little-endian. A masked checksum is rotated right by 15 bits, and
0xa282ead8 is added (TensorFlow's documentation of TFRecord).
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tables.benchmarks.errors import InvalidBenchmark

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")

# Records whose checksums are computed at once.
_BATCH = 4096

# Bytes of a record; those of NAS-Bench-101 have some hundred.
_TOO_LONG = 1 << 24


def read_records(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the records of a file, each with the position in the file after it.

    Raises:
        InvalidBenchmark: The file ends within a record, or a checksum is wrong; the record is
            named.
    """
    # Checksums are computed for a whole batch, because one at a time would take hours.
    batch: list[tuple[bytes, int, int]] = []
    number = 0
    with open(path, "rb", buffering=1 << 20) as file:
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise InvalidBenchmark(f"{path}: record {number}: the file ends within it")
            length, checksum = _HEAD.unpack(head)
            # Verified before the length is trusted: a damaged one may be terabytes.
            if length > _TOO_LONG or masked_crc32c([head[:8]])[0] != checksum:
                raise InvalidBenchmark(
                    f"{path}: record {number}: not a TFRecord file, or its length is damaged"
                )

            body = file.read(length + _TAIL.size)
            if len(body) < length + _TAIL.size:
                raise InvalidBenchmark(f"{path}: record {number}: the file ends within it")

            batch.append((body[:length], _TAIL.unpack(body[length:])[0], file.tell()))
            number += 1
            if len(batch) == _BATCH:
                yield from _verified(path, batch, number)
                batch = []
    yield from _verified(path, batch, number)


def _verified(
    path: Path, batch: Sequence[tuple[bytes, int, int]], end: int
) -> Iterator[tuple[bytes, int]]:
    """Yield the records of a batch, of which `end` is the number after the last."""
    stored = np.array([checksum for _, checksum, _ in batch], dtype=np.uint32)
    computed = masked_crc32c([content for content, _, _ in batch])

    wrong = np.flatnonzero(computed != stored)
    if len(wrong):
        number = end - len(batch) + int(wrong[0])
        raise InvalidBenchmark(f"{path}: record {number}: its checksum is wrong")
    yield from ((content, position) for content, _, position in batch)


def masked_crc32c(contents: Sequence[bytes]) -> NDArray[np.uint32]:
    """Return the masked CRC-32C (Castagnoli) [n] of byte strings."""
    checksums = crc32c(contents)
    rotated = (checksums >> np.uint32(15)) | (checksums << np.uint32(17))
    return rotated + np.uint32(0xA282EAD8)


def crc32c(contents: Sequence[bytes]) -> NDArray[np.uint32]:
    """Return the CRC-32C [n] of byte strings, computed byte by byte for all strings at once."""
    # Longest first, so that the strings that have a byte at a position are the first ones.
    order = sorted(range(len(contents)), key=lambda index: -len(contents[index]))
    lengths = np.array([len(contents[index]) for index in order], dtype=np.int64)
    longest = int(lengths[0]) if len(lengths) else 0
    padded = b"".join(contents[index].ljust(longest, b"\0") for index in order)

    columns = np.frombuffer(padded, dtype=np.uint8).reshape(len(order), longest).T.copy()

    table = _table()

    state = np.full(len(order), 0xFFFFFFFF, dtype=np.uint32)
    counts = len(lengths) - np.searchsorted(lengths[::-1], np.arange(longest), side="right")

    # The table-driven algorithm (Sarwate, 1988), a byte of every string at a time.
    for column, count in zip(columns, counts.tolist(), strict=True):
        active = state[:count]
        index = (active ^ column[:count]) & np.uint32(0xFF)
        state[:count] = table[index] ^ (active >> np.uint32(8))

    checksums = np.empty_like(state)
    checksums[order] = ~state
    return checksums


@functools.cache
def _table() -> NDArray[np.uint32]:
    """The checksums of single bytes by Castagnoli's reflected polynomial."""
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        shifted = values >> 1
        values = np.where(values & 1, shifted ^ np.uint32(0x82F63B78), shifted).astype(np.uint32)
    return values
