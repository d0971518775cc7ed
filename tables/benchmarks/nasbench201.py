"""NAS-Bench-201 from CSV files: accuracies by cell string, latencies beside them.

`accuracy.csv[.gz]` has `index`, `arch_str` and columns named `DATA_SPLIT_acc` (200 epochs) or
`DATA_SPLIT_acc_N_epochs`; `latency_ms.csv[.gz]` has `index` and a column for each device.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.cells.nasbench201 import EDGES, OPERATIONS
from spaces.errors import InvalidFile
from spaces.formats.nasbench201 import parse_cell
from spaces.registry import get
from spaces.space import Codes
from tables.benchmarks.csv_columns import numbers, read_columns
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.records import Column, Records
from tables.metrics import metric_of

SPACE = "nasbench201"
FULL, SHORT = 200, 12
"""Epochs of the benchmark's two trainings."""

_TRAINED = re.compile(r"(cifar10|cifar100|imagenet16_120)_(train|valid|test)_(acc|loss)")


def codes_of_strings(texts: Sequence[str], where: object) -> Codes:
    """The codes [n, 6] of cells in the benchmark's own writing.

    Raises:
        InvalidBenchmark: one cannot be read; its number is named.
    """
    code = {name: index for index, name in enumerate(OPERATIONS)}
    rows = np.empty((len(texts), len(EDGES)), dtype=np.int8, order="F")
    for index, text in enumerate(texts):
        try:
            operations = parse_cell(text)
        except InvalidFile as error:
            raise InvalidBenchmark(f"{where}: architecture {index}: {error}") from error
        rows[index] = [code[operations[edge]] for edge in EDGES]
    return get(SPACE).check(rows)


def read_csv(path: Path) -> Records:
    """The accuracies of `path`, and the latencies of `latency_ms.csv[.gz]` beside it where there is
    one.

    Raises:
        InvalidBenchmark: a file is broken; place and value are named.
    """
    texts = read_columns(path, ["index", "arch_str"])
    columns: dict[Column, NDArray[np.float64]] = {}
    for name, column in texts.items():
        if name not in ("index", "arch_str"):
            key = _column(name)
            if metric_of(key[0]) is None:
                raise InvalidBenchmark(f"{path}: the name {name!r} of a column tells no metric")
            columns[key] = numbers(path, name, column)
    beside = latency_file(path)
    if beside is not None:
        columns |= _latencies(beside, texts["index"])
    return Records(SPACE, codes_of_strings(texts["arch_str"], path), columns)


def latency_file(path: Path) -> Path | None:
    """The latencies beside a file of accuracies."""
    found = (path.with_name(name) for name in ("latency_ms.csv.gz", "latency_ms.csv"))
    return next((file for file in found if file.is_file()), None)


def _column(name: str) -> Column:
    metric, marker, epochs = name.removesuffix("_epochs").rpartition("_")
    if name.endswith("_epochs") and marker and epochs.isdigit():
        return metric, int(epochs)
    # Columns such as the accuracy inside a supernet are not of a training of so many epochs.
    return name, FULL if _TRAINED.fullmatch(name) else None


def _latencies(path: Path, wanted: list[str]) -> dict[Column, NDArray[np.float64]]:
    texts: dict[str, Any] = read_columns(path, ["index"])
    place = {index: row for row, index in enumerate(texts.pop("index"))}
    missing = [index for index in wanted if index not in place]
    if missing:
        raise InvalidBenchmark(f"{path}: there is no row with the index {missing[0]}")
    order = np.array([place[index] for index in wanted], dtype=np.int64)
    return {
        (f"latency_ms@{name}", None): numbers(path, name, column)[order]
        for name, column in texts.items()
    }
