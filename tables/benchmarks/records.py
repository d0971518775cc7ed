"""The contents of a benchmark's file: architectures and columns of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes

Column: TypeAlias = tuple[str, int | None]
"""A metric and the number of epochs of training, None where that does not apply."""


@dataclass(frozen=True)
class Records:
    """The rows of a benchmark.

    Args:
        space: Canonical name of the space.
        codes: Codes of the architectures, checked by the space: int array [n, choices].
        columns: Column -> float array [n], NaN where a row has no value.
        hashes: Graph hashes [n] by which NAS-Bench-101 identifies its cells. None elsewhere.
    """

    space: str
    codes: Codes
    columns: Mapping[Column, NDArray[np.float64]]
    hashes: NDArray[np.bytes_] | None = None
