"""The wire format of Protocol Buffers, as far as NAS-Bench-101 uses it.

Messages consist of varints, doubles, floats, and texts or inner messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

# Wire types.
_VARINT = 0
_DOUBLE = 1
_BYTES = 2
_FLOAT = 5


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Yield the fields of a message as number and value; an inner message or a text is bytes.

    Raises:
        ValueError: The message is broken.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)

        # A key is the number of the field and three bits of the wire type.
        number = key >> 3
        wire_type = key & 7

        value: int | float | bytes
        if wire_type == _VARINT:
            value, position = _varint(message, position)
        elif wire_type in (_DOUBLE, _FLOAT):
            form = "<d" if wire_type == _DOUBLE else "<f"
            end = position + struct.calcsize(form)
            (value,) = struct.unpack(form, _slice(message, position, end))
            position = end
        elif wire_type == _BYTES:
            length, position = _varint(message, position)
            value = _slice(message, position, position + length)
            position += length
        else:
            raise ValueError(f"a field of the wire type {wire_type}")

        yield number, value


def _slice(message: bytes, start: int, end: int) -> bytes:
    # Python's slices end silently with the message.
    if end > len(message):
        raise ValueError("the message ends within a field")
    return message[start:end]


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position after it."""
    value = 0
    shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise ValueError("the message ends within a number")
        byte = message[position]
        # Seven bits per byte, the least significant first; the eighth bit announces another byte.
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if byte < 0x80:
            return value, position
