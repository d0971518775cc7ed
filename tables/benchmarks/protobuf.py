"""The wire format of Protocol Buffers, as far as NAS-Bench-101 uses it: varints, doubles,
messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a message: number and value (an inner message or text is bytes).

    Raises:
        ValueError: the message is broken.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        value: int | float | bytes
        if kind == _VARINT:
            value, place = _varint(message, place)
        elif kind in (_DOUBLE, _FLOAT):
            form = "<d" if kind == _DOUBLE else "<f"
            end = place + struct.calcsize(form)
            (value,) = struct.unpack(form, _cut(message, place, end))
            place = end
        elif kind == _BYTES:
            length, place = _varint(message, place)
            value = _cut(message, place, place + length)
            place += length
        else:
            raise ValueError(f"a field of the wire type {kind}")
        yield number, value


def _cut(message: bytes, start: int, end: int) -> bytes:
    if end > len(message):
        raise ValueError("the message ends within a field")
    return message[start:end]


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("the message ends within a number")
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
