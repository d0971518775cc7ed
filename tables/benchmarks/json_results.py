"""What readers of results in JSON share: reading a file, and means over equal architectures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidFile
from spaces.files import read_text
from spaces.formats.json_text import bounded_int
from spaces.space import Codes
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.records import Column, Records


def json_value(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        InvalidBenchmark: The file cannot be read, or is no JSON.
    """
    try:
        return json.loads(read_text(path), parse_int=bounded_int)
    except InvalidFile as error:
        raise InvalidBenchmark(str(error)) from error
    # Numbers and nesting beyond Python's limits raise these as well.
    except (ValueError, RecursionError) as error:
        raise InvalidBenchmark(f"{path}: not JSON: {error}") from error


def accuracy(value: object, position: str) -> float:
    """Return an accuracy or an error in percent.

    Raises:
        InvalidBenchmark: It is no number from 0 to 100.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise InvalidBenchmark(f"{position} must be a number from 0 to 100, not {value!r:.60}")
    return float(value)


def mean_records(
    space: str, codes: Codes, columns: Mapping[Column, NDArray[np.float64]]
) -> Records:
    """Return records in which each architecture occurs once, with the means of its trainings.

    Args:
        space: Canonical name of the space.
        codes: Checked codes [n, choices], which may repeat.
        columns: Column -> values [n].
    """
    distinct, group = np.unique(codes, axis=0, return_inverse=True)
    counts = np.bincount(group.reshape(-1), minlength=len(distinct))
    means = {
        column: np.bincount(group.reshape(-1), weights=values, minlength=len(distinct)) / counts
        for column, values in columns.items()
    }
    return Records(space, np.asfortranarray(distinct), means)
