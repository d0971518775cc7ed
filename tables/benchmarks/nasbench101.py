"""NAS-Bench-101's cells as codes, and a CSV file of some of them.

`subset.csv[.gz]` has `hash`, `n` (vertices), `adjacency` (bits of the upper triangle, row by row),
`ops` of the inner vertices (0 conv3x3, 1 conv1x1, 2 maxpool3x3), `params`, `train_time` and `val4`
... `val108`, accuracies from 0 to 1.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spaces.cells.nasbench101 import EDGES, INNER, OPERATIONS, VERTICES
from spaces.errors import InvalidArchitecture
from spaces.registry import get
from spaces.space import Codes
from tables.benchmarks.csv_columns import numbers, read_columns
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.records import Column, Records

SPACE = "nasbench101"
EPOCHS = (4, 12, 36, 108)
"""Of the benchmark's trainings."""

VALIDATION = "cifar10_valid_acc"


def codes_of_cells(cells: Sequence[tuple[str, str]], where: object) -> Codes:
    """The codes [n, 26] of cells.

    Args:
        cells: for each the bits of its upper triangle, row by row, and the digits of its inner
            operations.
        where: the file, for errors.

    Raises:
        InvalidBenchmark: one is no cell; its number is named.
    """
    codes = np.zeros((len(cells), len(EDGES) + INNER), dtype=np.int8, order="F")
    for row, (bits, operations) in enumerate(cells):
        columns = _bit_columns(len(operations) + 2)
        if len(operations) > INNER or len(bits) != len(columns) or set(bits) > {"0", "1"}:
            raise InvalidBenchmark(
                f"{where}: cell {row}: {bits!r:.60} is no triangle of {len(operations) + 2}"
                " vertices"
            )
        codes[row, columns] = np.frombuffer(bits.encode(), dtype=np.uint8) - ord("0")
        for vertex, digit in enumerate(operations):
            if digit not in "012":
                raise InvalidBenchmark(
                    f"{where}: cell {row}: {digit!r} is none of the {len(OPERATIONS)} operations"
                )
            codes[row, len(EDGES) + vertex] = int(digit)
    try:
        return get(SPACE).check(codes)
    except InvalidArchitecture as error:
        raise InvalidBenchmark(f"{where}: {error}") from error


@functools.cache
def _bit_columns(vertices: int) -> NDArray[np.int64]:
    """Where the bits of a cell of fewer vertices stand: its output is the space's last vertex."""
    column = {edge: index for index, edge in enumerate(EDGES)}
    last = {vertices - 1: VERTICES - 1}
    ends = [
        (source, target) for source in range(vertices) for target in range(source + 1, vertices)
    ]
    return np.array(
        [column[source, last.get(target, target)] for source, target in ends], dtype=np.int64
    )


def read_csv(path: Path) -> Records:
    """The cells of a CSV file.

    Raises:
        InvalidBenchmark: the file is broken; place and value are named.
    """
    epochs = {f"val{number}": number for number in EPOCHS}
    texts = read_columns(path, ["hash", "adjacency", "ops", "params", "train_time", *epochs])
    columns: dict[Column, NDArray[np.float64]] = {
        (VALIDATION, number): 100 * numbers(path, name, texts[name])
        for name, number in epochs.items()
    }
    columns["train_seconds", EPOCHS[-1]] = numbers(path, "train_time", texts["train_time"])
    columns["params", None] = numbers(path, "params", texts["params"])
    codes = codes_of_cells(list(zip(texts["adjacency"], texts["ops"], strict=True)), path)
    return Records(SPACE, codes, columns, hashes_of(texts["hash"], path))


def hashes_of(texts: Sequence[str], where: object) -> NDArray[np.bytes_]:
    """Hexadecimal graph hashes as a bytes array [n]; raises InvalidBenchmark with what is none."""
    for text in texts:
        if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
            raise InvalidBenchmark(
                f"{where}: {text!r:.60} is no graph hash of 32 hexadecimal digits"
            )
    return np.array([text.encode() for text in texts], dtype="S32")
