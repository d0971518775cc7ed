"""Columns of a published latency table in CSV, by the names in its header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tables.errors import InvalidTable
from tables.importing.row import Row, to_number
from tables.medians import NORMAL_IQR

_KEYS = ("key", "block", "name")
_COUNTS = ("samples", "count")

_QUANTITIES = {
    **dict.fromkeys(("latency", "mean", "median", "latency_mean", "latency_median"), "latency"),
    **dict.fromkeys(("iqr", "latency_iqr"), "iqr"),
    **dict.fromkeys(("std", "latency_std"), "std"),
}

# Milliseconds in one unit; both code points of the letter mu occur.
_UNITS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "\u00b5s": 1e-3, "\u03bcs": 1e-3, "ns": 1e-6}

_ACCEPTED = "key, latency_ms, iqr_ms, std_ms and samples, with the units s, ms, us and ns"


@dataclass(frozen=True)
class Column:
    """A column of a CSV file.

    Args:
        name: Name in the file, for errors.
        quantity: Contents: `key`, `latency`, `iqr`, `std` or `samples`.
        factor: Milliseconds in one unit of a latency or a spread.
    """

    name: str
    quantity: str
    factor: float = 1.0


HEADERLESS = (
    Column("key", "key"),
    Column("latency_ms", "latency"),
    Column("iqr_ms", "iqr"),
    Column("samples", "samples"),
)
"""The columns of a file without a header, of which the last two may be absent."""


def is_header(cells: Sequence[str]) -> bool:
    """Return whether the first line of a file names its columns."""
    names = [_normalised(cell) for cell in cells]
    return names[0] in _KEYS or any(_column(name) is not None for name in names)


def parse_header(cells: Sequence[str], position: str) -> tuple[Column, ...]:
    """Return the columns that a header names.

    Args:
        cells: Cells of the header.
        position: File and line, for errors.

    Raises:
        InvalidTable: A name is unknown or lacks its unit, or the columns are not one key, one
            latency and at most one spread and one number of samples.
    """
    columns: list[Column] = []
    for cell in cells:
        name = _normalised(cell)
        column = _column(name)
        if name in _QUANTITIES:
            raise InvalidTable(
                f"{position}: the column {cell.strip()!r} has no unit; write {name}_ms, or another"
                " of the units s, us and ns"
            )

        if column is None:
            raise InvalidTable(
                f"{position}: unknown column {cell.strip()!r:.60}; available: {_ACCEPTED}"
            )

        columns.append(column)

    quantities = [column.quantity for column in columns]
    for quantity in ("key", "latency"):
        if quantity not in quantities:
            raise InvalidTable(
                f"{position}: no column of the {quantity} in {','.join(cells)!r:.120}; available:"
                f" {_ACCEPTED}"
            )

    for column in columns:
        # Two latencies, such as a mean and a median, leave open which one is meant.
        if quantities.count(column.quantity) > 1:
            raise InvalidTable(
                f"{position}: {column.name!r} is a second column of the {column.quantity}, or has"
                " one; keep one of them"
            )

    # A short header in the usual order and unit: its rows may have the optional columns as well.
    usual = HEADERLESS[: len(columns)]
    if [(column.quantity, column.factor) for column in columns] == [
        (column.quantity, column.factor) for column in usual
    ]:
        return (*columns, *HEADERLESS[len(columns) :])

    return tuple(columns)


def parse_row(cells: Sequence[str], columns: Sequence[Column], position: str) -> Row:
    """Return the row of a line.

    Args:
        cells: Cells of the line; absent ones at its end are empty.
        columns: Columns of the file.
        position: File and line, for errors.

    Raises:
        InvalidTable: The line has more cells than columns or lacks its latency, or a value is no
            number of at least 0.
    """
    if not 2 <= len(cells) <= len(columns):
        names = ",".join(column.name for column in columns)
        expected = "key,latency_ms[,iqr_ms[,samples]]" if columns == HEADERLESS else names
        raise InvalidTable(f"{position}: {','.join(cells)!r:.120} is not {expected!r}")

    texts = [cell.strip() for cell in cells] + [""] * (len(columns) - len(cells))
    key = ""
    numbers: dict[str, float] = {}
    for column, text in zip(columns, texts, strict=True):
        if column.quantity == "key":
            key = text
        # Only a spread and the number of samples may be empty.
        elif text or column.quantity == "latency":
            numbers[column.quantity] = column.factor * to_number(text, position, column.name)

    iqr_ms = numbers.get("iqr")
    if iqr_ms is None and "std" in numbers:
        iqr_ms = NORMAL_IQR * numbers["std"]

    samples = int(numbers["samples"]) if "samples" in numbers else None

    return Row(key, numbers["latency"], iqr_ms, samples)


def _normalised(name: str) -> str:
    """Return a name as `latency_us` where a file has `Latency (us)` or `latency [us]`."""
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")


def _column(name: str) -> Column | None:
    """Return the column of a normalised name, None where it is unknown."""
    if name in _KEYS:
        return Column(name, "key")
    if name in _COUNTS:
        return Column(name, "samples")

    quantity, _, unit = name.rpartition("_")
    if quantity in _QUANTITIES and unit in _UNITS:
        return Column(name, _QUANTITIES[quantity], _UNITS[unit])

    return None
