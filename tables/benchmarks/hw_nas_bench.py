"""HW-NAS-Bench: latencies and energies of NAS-Bench-201's cells on six devices.

Li et al., ICLR 2021; GATECH-EIC/HW-NAS-Bench. The pickle is `{"nasbench201": {DATA:
{"edgegpu_latency": array [15625], ..., "config": [{"arch_str": ...}, ...]}}}` for the data sets
cifar10, cifar100 and ImageNet16-120, with latencies in ms and energies in mJ. Its second table, on
FBNet's space, is a lookup table of operators and is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidFile
from spaces.formats.array_pickle import ARRAYS
from spaces.formats.restricted_pickle import load_plain
from spaces.progress import Progress, silent
from spaces.space import Codes
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.nasbench201 import SPACE, codes_of_strings
from tables.benchmarks.records import Column, Records
from tables.benchmarks.row_index import RowIndex

# The pickle's data sets -> the suffix of a device's name.
_DATA = {"cifar10": "", "cifar100": "_cifar100", "ImageNet16-120": "_imagenet16_120"}

_QUANTITIES = {
    "latency": "latency_ms",
    "energy": "energy_mj",
    "arithmetic_intensity": "arithmetic_intensity",
}


def read_release(path: Path, progress: Progress = silent) -> Records:
    """Read the cells' costs from the project's pickle.

    Args:
        path: The pickle.
        progress: Not called: the file is read in a moment.

    Raises:
        InvalidBenchmark: The file has anything but plain containers and arrays, or another layout.
    """
    try:
        value = load_plain(path, ARRAYS)
    except InvalidFile as error:
        raise InvalidBenchmark(str(error)) from error

    tables = value.get(SPACE) if isinstance(value, Mapping) else None
    if not isinstance(tables, Mapping) or not any(name in tables for name in _DATA):
        raise InvalidBenchmark(f"{path}: no 'nasbench201' with one of {', '.join(_DATA)} in it")

    codes: Codes | None = None
    columns: dict[Column, NDArray[np.float64]] = {}
    for data, suffix in _DATA.items():
        if data not in tables:
            continue
        data_codes = _codes(path, data, tables[data])

        # One set of codes serves all columns, so that every data set must list the same cells.
        if codes is not None and not np.array_equal(data_codes, codes):
            raise InvalidBenchmark(f"{path}: the architectures of {data} are in another order")

        codes = data_codes
        columns |= _columns(path, data, suffix, tables[data], len(codes))

    assert codes is not None
    return Records(SPACE, codes, columns)


def join(records: Records, costs: Records) -> Records:
    """Add the columns of `costs` that `records` lack, NaN where `costs` has no such row."""
    rows = RowIndex(costs, "HW-NAS-Bench").find(records.codes)
    added = {
        column: np.where(rows >= 0, values[rows], np.nan)
        for column, values in costs.columns.items()
        if column not in records.columns
    }
    return Records(records.space, records.codes, {**records.columns, **added}, records.hashes)


def _codes(path: Path, data: str, table: Any) -> Codes:
    try:
        texts = [str(config["arch_str"]) for config in table["config"]]
    except (KeyError, TypeError) as error:
        raise InvalidBenchmark(
            f"{path}: {data} has no list 'config' of cells with 'arch_str'"
        ) from error
    return codes_of_strings(texts, f"{path}: {data}")


def _columns(
    path: Path, data: str, suffix: str, table: Mapping[str, Any], count: int
) -> dict[Column, NDArray[np.float64]]:
    columns: dict[Column, NDArray[np.float64]] = {}
    for name, values in table.items():
        device, _, quantity = name.partition("_")
        # The list of cells, and quantities of single devices, are no columns.
        if quantity not in _QUANTITIES:
            continue

        # A column may be a list of Python's numbers as well as an array.
        try:
            column = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidBenchmark(f"{path}: {data}: {name} holds no numbers: {error}") from error

        if column.shape != (count,):
            raise InvalidBenchmark(
                f"{path}: {data}: {name} has the shape {list(column.shape)}, not [{count}]"
            )
        columns[f"{_QUANTITIES[quantity]}@{device}{suffix}", None] = column
    return columns
