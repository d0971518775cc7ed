"""HW-NAS-Bench: latencies and energies of NAS-Bench-201's cells on six devices (Li et al., ICLR
2021).

Its pickle holds `{"nasbench201": {DATA: {"edgegpu_latency": array [15625], ..., "config":
[{"arch_str": ...}, ...]}}}` for the data cifar10, cifar100 and ImageNet16-120, times in ms and
energies in mJ (GATECH-EIC/HW-NAS-Bench). The part on FBNet's space is a lookup table of operators,
and not read.
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

_DATA = {"cifar10": "", "cifar100": "_cifar100", "ImageNet16-120": "_imagenet16_120"}
"""The pickle's data sets and what stands for them behind a device's name."""

_QUANTITIES = {
    "latency": "latency_ms",
    "energy": "energy_mj",
    "arithmetic_intensity": "arithmetic_intensity",
}


def read_release(path: Path, progress: Progress = silent) -> Records:
    """The cells' costs from the project's pickle.

    Raises:
        InvalidBenchmark: it holds anything but plain containers and arrays, or they are not laid
            out so.
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
    for data, marker in _DATA.items():
        if data not in tables:
            continue
        own = _codes(path, data, tables[data])
        if codes is not None and not np.array_equal(own, codes):
            raise InvalidBenchmark(f"{path}: the architectures of {data} stand in another order")
        codes = own
        columns |= _columns(path, data, marker, tables[data], len(codes))
    assert codes is not None
    return Records(SPACE, codes, columns)


def joined(records: Records, costs: Records) -> Records:
    """Records with the columns of `costs` that they lack, NaN where `costs` has no row."""
    from spaces.registry import get

    weights = np.append(np.cumprod(get(SPACE).candidates[:0:-1])[::-1], 1)
    place = np.full(int(np.prod(get(SPACE).candidates)), -1)
    place[costs.codes.astype(np.int64) @ weights] = np.arange(len(costs.codes))
    rows = place[records.codes.astype(np.int64) @ weights]
    more = {
        column: np.where(rows >= 0, values[rows], np.nan)
        for column, values in costs.columns.items()
        if column not in records.columns
    }
    return Records(records.space, records.codes, {**records.columns, **more}, records.hashes)


def _codes(path: Path, data: str, table: Any) -> Codes:
    try:
        texts = [str(config["arch_str"]) for config in table["config"]]
    except (KeyError, TypeError) as error:
        raise InvalidBenchmark(
            f"{path}: {data} has no list 'config' of cells with 'arch_str'"
        ) from error
    return codes_of_strings(texts, f"{path}: {data}")


def _columns(
    path: Path, data: str, marker: str, table: Mapping[str, Any], count: int
) -> dict[Column, NDArray[np.float64]]:
    found: dict[Column, NDArray[np.float64]] = {}
    for name, values in table.items():
        device, _, quantity = name.partition("_")
        if quantity not in _QUANTITIES:
            continue
        try:
            column = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidBenchmark(f"{path}: {data}: {name} holds no numbers: {error}") from error
        if column.shape != (count,):
            raise InvalidBenchmark(
                f"{path}: {data}: {name} has the shape {list(column.shape)}, not [{count}]"
            )
        found[f"{_QUANTITIES[quantity]}@{device}{marker}", None] = column
    return found
