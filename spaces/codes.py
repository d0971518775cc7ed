"""Rows of codes: removing duplicates, and keys that identify a row."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.choice_space import Codes

_BITS = 63


def distinct(codes: Codes) -> Codes:
    """Return the distinct rows of codes [n, choices], in the order of their first occurrence.

    Example:
        >>> import numpy as np
        >>> distinct(np.array([[1, 0], [0, 2], [1, 0]])).tolist()
        [[1, 0], [0, 2]]
    """
    _, first = np.unique(row_keys(codes, codes.max(0, initial=0) + 1), return_index=True)
    return codes[np.sort(first)]


def row_keys(codes: Codes, candidates: Iterable[Any]) -> NDArray[Any]:
    """Return one value per row, [n], equal for equal rows only.

    The values are numbers where 63 bits hold them, since sorting numbers is ten times faster than
    sorting rows, and bytes otherwise.

    Args:
        codes: Int array [n, choices].
        candidates: Number of candidates of every choice, greater than each of its codes.
    """
    counts = [int(count) for count in candidates]
    if math.prod(counts) < 1 << _BITS:
        keys = np.zeros(len(codes), dtype=np.int64)
        for column, count in enumerate(counts):
            keys *= count
            keys += codes[:, column]

        return keys

    rows = np.ascontiguousarray(codes)
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
