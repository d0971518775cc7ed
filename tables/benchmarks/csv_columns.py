"""Reader of CSV files, compressed or not, by columns."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidFile
from spaces.files import read_text
from tables.benchmarks.errors import InvalidBenchmark


def read_columns(path: Path, needed: Sequence[str]) -> dict[str, list[str]]:
    """Read the columns of a CSV file with a header, as text.

    Args:
        path: The file, compressed by gzip or not.
        needed: Columns that it must have.

    Raises:
        InvalidBenchmark: The file cannot be read, lacks a needed column or has a column twice, or a
            line has another length.
    """
    try:
        header, *rows = csv.reader(io.StringIO(read_text(path)))
    # An empty file has no header to unpack: a ValueError.
    except (InvalidFile, csv.Error, ValueError) as error:
        raise InvalidBenchmark(f"{path}: not a CSV file with a header: {error}") from error

    missing = [name for name in needed if name not in header]
    if missing:
        raise InvalidBenchmark(
            f"{path}: the column {missing[0]!r} is missing; the file has: {', '.join(header)}"
        )
    repeated = first_repeated(header)
    if repeated is not None:
        raise InvalidBenchmark(f"{path}: the column {repeated!r} occurs a second time")

    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InvalidBenchmark(
                f"{path}, line {line}: {len(row)} fields in place of {len(header)}"
            )

    # Without rows there is nothing to transpose, but each column still exists.
    columns = list(map(list, zip(*rows, strict=True))) or [[] for _ in header]
    return dict(zip(header, columns, strict=True))


def first_repeated(texts: Sequence[str]) -> str | None:
    """Return the first text that occurred before, None where all differ."""
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            return text
        seen.add(text)
    return None


def numbers(path: Path, name: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Convert a column to floats [n], NaN where it is empty.

    Args:
        path: The file, for the error.
        name: Name of the column, for the error.
        texts: Texts [n] of the column.

    Raises:
        InvalidBenchmark: A text is no finite number; its line is named.
    """
    try:
        values = np.array([text or "nan" for text in texts], dtype=np.float64)
        if not np.isinf(values).any():
            return values
    except ValueError:
        pass

    # Only the faulty column is read again text by text, to name the line.
    line = next(line for line, text in enumerate(texts, 2) if not _is_number(text))
    raise InvalidBenchmark(
        f"{path}, line {line}: {name} is {texts[line - 2]!r:.60}, which is no number"
    )


def _is_number(text: str) -> bool:
    try:
        return not math.isinf(float(text or "nan"))
    except ValueError:
        return False
