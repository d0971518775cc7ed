"""Row: one line of a table that others published."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

from tables.errors import InvalidTable


@dataclass(frozen=True)
class Row:
    """One row of a published table.

    Args:
        key: Key in the file's notation.
        latency_ms: Mean or median latency, as the source has it.
        iqr_ms: Inter-quartile range. From a variance or a deviation it is computed as of normally
            distributed latencies; None where the source has neither.
        samples: Number of measured latencies. None where the source has none.
    """

    key: str
    latency_ms: float
    iqr_ms: float | None = None
    samples: int | None = None


def to_number(value: object, position: str, name: str) -> float:
    """Convert the value of a file to a number of at least 0.

    Args:
        value: A number, or the text of one.
        position: File and line, for the error.
        name: Name of the value, for the error.

    Raises:
        InvalidTable: The value is no finite number of at least 0.
    """
    number = math.nan
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        # YAML 1.1 takes `1e-05` for text, so that texts are converted too.
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise InvalidTable(f"{position}: {name} is {value!r:.60}, which is no number of at least 0")
    return number
