"""Probabilities of a search, as its run's folder has them in probabilities.json."""

from __future__ import annotations

from pathlib import Path

from spaces.drawing.sketch import Probabilities
from spaces.errors import InvalidFile
from spaces.formats.json_text import read_json


def read_probabilities(path: str | Path) -> Probabilities:
    """Read probabilities: key -> candidate -> number from 0 to 1.

    Args:
        path: JSON file.

    Raises:
        InvalidFile: The file is no such object; the key at fault is named.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise InvalidFile(f"{path}: probabilities are an object of choices, not {value!r:.40}")
    for key, row in value.items():
        numbers = row.values() if isinstance(row, dict) else ()
        if not numbers or not all(_is_probability(number) for number in numbers):
            raise InvalidFile(
                f"{path}: {key} has candidates with numbers from 0 to 1, not {row!r:.60}"
            )

    return value


def _is_probability(number: object) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    # Softmax sums to 1 up to rounding.
    return is_number and -1e-6 <= number <= 1 + 1e-6  # type: ignore[operator]
