"""`op_flops_dict.pkl`, the FLOPs table of the SPOS release (megvii-model/SinglePathOneShot).

A nested dict: outer keys
`{shufflenet_3x3|shufflenet_5x5|shufflenet_7x7|xception_3x3}_stride_{1,2}`, inner keys `(inputs,
outputs, hidden, height, width, stride)` with the sides of the input. Further keys are `conv1` with
`(3, 16, 224, 224, 2)` and `rest_operation` with `(640, 1000, 7, 7, 1)`, which is the last
convolution and the classifier together.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from spaces.block import Block
from spaces.errors import InvalidFile
from spaces.formats.restricted_pickle import load_plain

_HEAD_CHANNELS = 1024

# The table's outer keys, such as "shufflenet_3x3_stride_1".
_OUTER = re.compile(r"(shufflenet(?=_[357]x)|xception(?=_3x))_([357])x\2_stride_([12])")


def read_flops_table(path: str | Path) -> dict[tuple[Block, ...], int]:
    """Read a table: blocks that one number covers -> MACs of one image.

    Args:
        path: Pickle file, which may hold plain containers and numbers only.

    Raises:
        InvalidFile: The file is no such table; the outer and inner key at fault are named.
    """
    value = load_plain(path)
    try:
        return _blocks_of(value)
    except InvalidFile as error:
        raise InvalidFile(f"{path}: {error}") from error


def _blocks_of(value: Any) -> dict[tuple[Block, ...], int]:
    if not isinstance(value, dict) or not value:
        raise InvalidFile(f"a table of FLOPs is a dict of dicts, not {value!r:.60}")

    table: dict[tuple[Block, ...], int] = {}
    for outer, entries in value.items():
        if not isinstance(entries, dict):
            raise InvalidFile(f"{outer}: expected a dict, not {entries!r:.60}")
        for inner, macs in entries.items():
            # The release's table has whole numbers as floats.
            if type(macs) not in (int, float) or not 0 < macs < 2**63 or macs != int(macs):
                raise InvalidFile(
                    f"{outer}, {inner}: the MACs are a positive integer, not {macs!r:.40}"
                )
            table[_entry(outer, inner)] = int(macs)

    return table


def _entry(outer: Any, inner: Any) -> tuple[Block, ...]:
    match = _OUTER.fullmatch(outer) if isinstance(outer, str) else None
    if match is None and outer not in ("conv1", "rest_operation"):
        raise InvalidFile(f"unknown operation {outer!r:.60}")

    length = 6 if match else 5
    if (
        not isinstance(inner, tuple)
        or len(inner) != length
        or any(type(n) is not int or n < 1 for n in inner)
    ):
        raise InvalidFile(
            f"{outer}: the key {inner!r:.80} is not a tuple of {length} positive integers"
        )

    inputs, outputs, *hidden, height, width, stride = inner
    shape = (inputs, height, width)

    # Rounded up: all convolutions of the release are padded.
    output_shape = (outputs, -(-height // stride), -(-width // stride))
    if match is not None:
        if stride != int(match[3]):
            raise InvalidFile(f"{outer}: the key {inner} has the stride {stride}")
        operator = "shuffle" if match[1] == "shufflenet" else "xception"
        return (Block(operator, shape, output_shape, int(match[2]), hidden[0], stride, "relu"),)
    if outer == "conv1":
        return (Block("conv", shape, output_shape, kernel=3, stride=stride, activation="relu"),)

    # The table has one number for the last convolution and the classifier.
    head = (_HEAD_CHANNELS, height, width)
    return (
        Block("conv", shape, head, kernel=1, stride=stride, activation="relu"),
        Block("classifier", head, (outputs,)),
    )
