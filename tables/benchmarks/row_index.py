"""RowIndex: the rows of architectures in the records of a benchmark."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.registry import get
from spaces.space import Codes
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.records import Records


class RowIndex:
    """Finds the rows of many architectures at once.

    Args:
        records: Records of the benchmark.
        source: Their files, for errors.
    """

    def __init__(self, records: Records, source: str):
        self._records = records
        self._source = source

    def find(self, codes: Codes) -> NDArray[np.int64]:
        """Return the rows [n] of codes [n, choices], -1 where an architecture is missing.

        A cell of NAS-Bench-101 is found under any of its labellings.

        Raises:
            InvalidBenchmark: The records contain an architecture twice.
        """
        keys, rows_by_key = self._by_codes
        rows = _look_up(keys, rows_by_key, self._packed(codes))
        missing = np.flatnonzero(rows < 0)

        # A relabelled cell has other codes, but the same hash.
        if len(missing) and self._records.hashes is not None:
            rows[missing] = self._find_hashes(codes[missing])
        return rows

    def _find_hashes(self, codes: Codes) -> NDArray[np.int64]:
        from spaces.cells.graph_hash import graph_hashes

        keys, rows_by_key = self._by_hash
        return _look_up(keys, rows_by_key, np.array(graph_hashes(codes), dtype="S32"))

    @cached_property
    def _by_codes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Packed codes [m] in ascending order, and their rows [m]."""
        packed = self._packed(self._records.codes)
        order = np.argsort(packed, kind="stable")
        if (np.diff(packed[order]) == 0).any():
            raise InvalidBenchmark(f"{self._source}: an architecture occurs twice")
        return packed[order], order

    @cached_property
    def _by_hash(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
        """Graph hashes [m] in ascending order, and their rows [m]."""
        assert self._records.hashes is not None
        order = np.argsort(self._records.hashes, kind="stable")
        return self._records.hashes[order], order

    @cached_property
    def _weights(self) -> NDArray[np.int64]:
        """Weights [choices] of the codes as the digits of one number."""
        candidates = get(self._records.space).candidates
        return np.append(np.cumprod(candidates[:0:-1], dtype=np.int64)[::-1], 1)

    def _packed(self, codes: Codes) -> NDArray[np.int64]:
        # One integer per architecture; every benchmark's space has fewer than 2^63 of them.
        packed = np.zeros(len(codes), dtype=np.int64)
        for column, weight in enumerate(self._weights):
            packed += codes[:, column].astype(np.int64) * weight
        return packed


def _look_up(
    keys: NDArray[Any], rows: NDArray[np.int64], queries: NDArray[Any]
) -> NDArray[np.int64]:
    """Return the rows [n] of queries among keys, -1 where missing.

    Args:
        keys: Sorted keys [m].
        rows: Rows [m] of the keys.
        queries: Keys [n] to look up.
    """
    if not len(keys):
        return np.full(len(queries), -1, dtype=np.int64)

    # A query beyond the last key would have a position outside of the array.
    positions = np.minimum(np.searchsorted(keys, queries), len(keys) - 1)
    return np.where(keys[positions] == queries, rows[positions], -1)
