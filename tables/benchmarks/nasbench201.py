"""NAS-Bench-201 from CSV files of accuracies and latencies.

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
from tables.benchmarks.csv_columns import first_repeated, numbers, read_columns
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.records import Column, Records
from tables.metrics import metric_of

SPACE = "nasbench201"

FULL = 200
"""Epochs of the benchmark's long training."""

SHORT = 12
"""Epochs of the benchmark's short training."""

_TRAINED = re.compile(r"(cifar10|cifar100|imagenet16_120)_(train|valid|test)_(acc|loss)")


def codes_of_strings(texts: Sequence[str], source: object) -> Codes:
    """Return the codes [n, 6] of cells in the benchmark's notation.

    Args:
        texts: Cells [n], such as `|nor_conv_3x3~0|+|none~0|none~1|+...`.
        source: The file, for errors.

    Raises:
        InvalidBenchmark: A text is no cell; its number is named.
    """
    code = {name: index for index, name in enumerate(OPERATIONS)}

    # Column by column, as the spaces read codes.
    rows = np.empty((len(texts), len(EDGES)), dtype=np.int8, order="F")
    for index, text in enumerate(texts):
        try:
            operations = parse_cell(text)
        except InvalidFile as error:
            raise InvalidBenchmark(f"{source}: architecture {index}: {error}") from error

        rows[index] = [code[operations[edge]] for edge in EDGES]
    return get(SPACE).check(rows)


def read_csv(path: Path) -> Records:
    """Read accuracies, and the latencies of `latency_ms.csv[.gz]` in the same folder if it exists.

    Args:
        path: The file of the accuracies.

    Raises:
        InvalidBenchmark: A file is broken; position and value are named.
    """
    texts = read_columns(path, ["index", "arch_str"])

    columns: dict[Column, NDArray[np.float64]] = {}
    for name, column in texts.items():
        if name in ("index", "arch_str"):
            continue

        key = _column(name)
        if metric_of(key[0]) is None:
            raise InvalidBenchmark(f"{path}: the column {name!r} is not named after a metric")
        columns[key] = numbers(path, name, column)

    latencies = latency_file(path)
    if latencies is not None:
        columns |= _latencies(latencies, texts["index"])
    return Records(SPACE, codes_of_strings(texts["arch_str"], path), columns)


def latency_file(path: Path) -> Path | None:
    """Return the file of latencies in the folder of a file of accuracies, None without one."""
    paths = (path.with_name(name) for name in ("latency_ms.csv.gz", "latency_ms.csv"))
    return next((file for file in paths if file.is_file()), None)


def _column(name: str) -> Column:
    metric, separator, epochs = name.removesuffix("_epochs").rpartition("_")
    if name.endswith("_epochs") and separator and epochs.isdigit():
        return metric, int(epochs)
    # Columns such as the accuracy within a supernet do not belong to a training of 200 epochs.
    return name, FULL if _TRAINED.fullmatch(name) else None


def _latencies(path: Path, indices: list[str]) -> dict[Column, NDArray[np.float64]]:
    """Return the latencies in the order of the accuracies' indices."""
    texts: dict[str, Any] = read_columns(path, ["index"])
    file_indices = texts.pop("index")
    repeated = first_repeated(file_indices)
    if repeated is not None:
        raise InvalidBenchmark(f"{path}: the index {repeated} occurs a second time")

    row_of = {index: row for row, index in enumerate(file_indices)}

    missing = [index for index in indices if index not in row_of]
    if missing:
        raise InvalidBenchmark(f"{path}: no row has the index {missing[0]}")

    order = np.array([row_of[index] for index in indices], dtype=np.int64)
    return {
        (f"latency_ms@{name}", None): numbers(path, name, column)[order]
        for name, column in texts.items()
    }
