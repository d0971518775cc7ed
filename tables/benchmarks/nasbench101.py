"""NAS-Bench-101's cells as codes, and a CSV file of some of them.

`subset.csv[.gz]` has `hash`, `n` (vertices), `adjacency` (bits of the upper triangle, row by row),
`ops` of the inner vertices (0 conv3x3, 1 conv1x1, 2 maxpool3x3), `params`, `train_time` and `val4`
... `val108`, accuracies from 0 to 1.
"""

from __future__ import annotations

import functools
import itertools
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
"""Epochs of the benchmark's trainings."""

VALIDATION = "cifar10_valid_acc"


def codes_of_cells(cells: Sequence[tuple[str, str]], source: object) -> Codes:
    """Return the codes [n, 26] of cells.

    Args:
        cells: For each cell the bits of its upper triangle, row by row, and the digits of its inner
            operations.
        source: The file, for errors.

    Raises:
        InvalidBenchmark: An entry is no cell; its number is named.
    """
    codes = np.zeros((len(cells), len(EDGES) + INNER), dtype=np.int8, order="F")
    for row, (bits, operations) in enumerate(cells):
        columns = _bit_columns(len(operations) + 2)
        if len(operations) > INNER or len(bits) != len(columns) or set(bits) > {"0", "1"}:
            raise InvalidBenchmark(
                f"{source}: cell {row}: {bits!r:.60} is no triangle of {len(operations) + 2}"
                " vertices"
            )

        # The bits are ASCII digits, so that their bytes are 48 and 49.
        codes[row, columns] = np.frombuffer(bits.encode(), dtype=np.uint8) - ord("0")

        for vertex, digit in enumerate(operations):
            if digit not in "012":
                raise InvalidBenchmark(
                    f"{source}: cell {row}: {digit!r} is none of the {len(OPERATIONS)} operations"
                )
            codes[row, len(EDGES) + vertex] = int(digit)

    # The space refuses cells with more than nine edges and those without a path.
    try:
        return get(SPACE).check(codes)
    except InvalidArchitecture as error:
        raise InvalidBenchmark(f"{source}: {error}") from error


@functools.cache
def _bit_columns(vertices: int) -> NDArray[np.int64]:
    """Return the columns of the codes that hold the bits of a cell of so many vertices."""
    column = {edge: index for index, edge in enumerate(EDGES)}
    # The output of a smaller cell is the space's last vertex; the vertices between stay unused.
    relabelled = {vertices - 1: VERTICES - 1}
    pairs = itertools.combinations(range(vertices), 2)
    columns = [column[source, relabelled.get(target, target)] for source, target in pairs]
    return np.array(columns, dtype=np.int64)


def read_csv(path: Path) -> Records:
    """Read the cells of a CSV file.

    Raises:
        InvalidBenchmark: The file is broken; position and value are named.
    """
    epochs = {f"val{number}": number for number in EPOCHS}
    texts = read_columns(path, ["hash", "adjacency", "ops", "params", "train_time", *epochs])
    columns: dict[Column, NDArray[np.float64]] = {
        (VALIDATION, number): 100 * numbers(path, name, texts[name])
        for name, number in epochs.items()
    }
    # The file has the time of the longest training only.
    columns["train_seconds", EPOCHS[-1]] = numbers(path, "train_time", texts["train_time"])
    columns["params", None] = numbers(path, "params", texts["params"])

    codes = codes_of_cells(list(zip(texts["adjacency"], texts["ops"], strict=True)), path)
    return Records(SPACE, codes, columns, hashes_of(texts["hash"], path))


def hashes_of(texts: Sequence[str], source: object) -> NDArray[np.bytes_]:
    """Return hexadecimal graph hashes as a bytes array [n].

    Args:
        texts: Hashes [n] of 32 hexadecimal digits.
        source: The file, for errors.

    Raises:
        InvalidBenchmark: A text is no hash.
    """
    for text in texts:
        if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
            raise InvalidBenchmark(
                f"{source}: {text!r:.60} is no graph hash of 32 hexadecimal digits"
            )
    return np.array([text.encode() for text in texts], dtype="S32")
