"""What a benchmark's file tells: cells and columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes

Column: TypeAlias = tuple[str, int | None]
"""A metric and after how many epochs of training it was taken; None where that says nothing."""


@dataclass(frozen=True)
class Records:
    """The rows of a benchmark.

    Args:
        space: canonical name of the space.
        codes: of the architectures, checked by the space: int array [n, choices].
        columns: values by column, float arrays [n]; NaN where a row has none.
        hashes: bytes array [n] of the graph hashes by which NAS-Bench-101 knows its cells; None
            elsewhere.
    """

    space: str
    codes: Codes
    columns: Mapping[Column, NDArray[np.float64]]
    hashes: NDArray[np.bytes_] | None = None
