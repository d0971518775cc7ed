"""The operators of FBNet's space in HW-NAS-Bench (Li et al., ICLR 2021, arXiv 2103.10584).

The pickle is `{"fbnet": {"pixel3_latency": {"ConvBlock_H112_W112_Cin16_Cout16_exp1_kernel3_stride1_
group1": 2.1, ...}, ...}}`, with latencies in ms. Networks are sums of their operators: a stem, 22
blocks or skips, a last convolution, a pool and a classifier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spaces.block import Block
from spaces.errors import InvalidFile
from spaces.formats.array_pickle import ARRAYS
from spaces.formats.restricted_pickle import load_plain
from tables.errors import InvalidTable, UnnamedBlock
from tables.importing.row import Row, to_number

SPACE = "fbnet"

_SKIP = re.compile(r"Skip_(?P<shape>H\d+_W\d+)_Cin(?P<cin>\d+)_Cout(?P<cout>\d+)_stride(?P<s>\d+)")
_POOL = re.compile(r"AvgP_(?P<shape>H\d+_W\d+)_Cin(?P<cin>\d+)_Cout\d+_kernel\d+_stride\d+")
_CLASSIFIER = re.compile(r"FC_Cin(?P<cin>\d+)_Cout(?P<cout>\d+)")


def operator_key(block: Block) -> str:
    """Return the key of a block in HW-NAS-Bench, where a classifier's is that of `read_operators`.

    Raises:
        UnnamedBlock: The benchmark has no such block.
    """
    height, width = block.input[1:] if len(block.input) == 3 else (1, 1)
    shape = f"H{height}_W{width}"
    channels = f"Cin{block.input[0]}_Cout{block.output[0]}"
    groups = block.groups or 1

    match block.operator:
        case "fbnet":
            return (
                f"ConvBlock_{shape}_{channels}_exp{block.expansion}_kernel{block.kernel}"
                f"_stride{block.stride}_group{groups}"
            )
        case "conv":
            return (
                f"ConvNorm_{shape}_{channels}_kernel{block.kernel}_stride{block.stride}"
                f"_group{groups}"
            )
        case "classifier" | "linear" | "linear_dropout":
            return f"Classifier_{shape}_{channels}"

    raise UnnamedBlock("HW-NAS-Bench", block.key)


def read_operators(path: str | Path, column: str | None) -> dict[str, Row]:
    """Read the latencies of operators on a device, by key.

    Skips that change the shape are pointwise convolutions here, and a pool belongs to the
    classifier after it; both have rows of such keys.

    Args:
        path: The pickle; of anything but plain containers and arrays it is refused.
        column: Column of the device, such as `pixel3_latency`.

    Raises:
        InvalidTable: The file has another layout, or lacks the column.
    """
    try:
        value = load_plain(path, ARRAYS)
    except InvalidFile as error:
        raise InvalidTable(str(error)) from error

    tables = value.get(SPACE) if isinstance(value, Mapping) else None
    columns = sorted(name for name in tables or () if str(name).endswith("_latency"))
    if not isinstance(tables, Mapping) or not columns:
        raise InvalidTable(f"{path}: no {SPACE!r} with latencies of operators in it")
    if column not in columns:
        raise InvalidTable(
            f"{path}: the column {column!r} is none of latencies: give --column with one of"
            f" {', '.join(columns)}"
        )

    latencies = _latencies(tables[column], f"{path}: {column}")
    for key, latency in list(latencies.items()):
        skip = _SKIP.fullmatch(key)
        if skip:
            name = (
                f"ConvNorm_{skip['shape']}_Cin{skip['cin']}_Cout{skip['cout']}_kernel1"
                f"_stride{skip['s']}_group1"
            )
            # The benchmark's own convolutions of that shape come first.
            latencies.setdefault(name, latency)

    pools = [(match, latencies[key]) for key in latencies if (match := _POOL.fullmatch(key))]
    for key, latency in list(latencies.items()):
        classifier = _CLASSIFIER.fullmatch(key)
        for pool, pooled in pools if classifier else ():
            assert classifier is not None
            if pool["cin"] == classifier["cin"]:
                ends = f"Cin{classifier['cin']}_Cout{classifier['cout']}"
                latencies[f"Classifier_{pool['shape']}_{ends}"] = latency + pooled

    return {key: Row(key, latency) for key, latency in latencies.items()}


def _latencies(operators: Any, position: str) -> dict[str, float]:
    if not isinstance(operators, Mapping) or not operators:
        raise InvalidTable(f"{position} maps no operators to latencies")
    return {
        str(key): to_number(float(value) if hasattr(value, "dtype") else value, position, str(key))
        for key, value in operators.items()
    }
