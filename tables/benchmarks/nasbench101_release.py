"""NAS-Bench-101 from its project's TFRecord files.

Ying et al., ICML 2019; google-research/nasbench. A record is JSON, `[graph hash, epochs, adjacency,
operations, metrics]`: the bits of the whole matrix, the operations separated by commas, and a
base64 message ModelMetrics. That has evaluation_data (1) at the start, half-way and the end, each
with training_time (2) and the train, validation and test accuracies (3, 4, 5) from 0 to 1, and
trainable_parameters (2). Every cell has three runs for each number of epochs; values are their
means at the end.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spaces.cells.nasbench101 import OPERATIONS
from spaces.progress import Progress, silent
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.nasbench101 import SPACE, VALIDATION, codes_of_cells, hashes_of
from tables.benchmarks.protobuf import fields
from tables.benchmarks.records import Column, Records
from tables.benchmarks.tfrecord import read_records

# Number of a field of EvaluationData -> metric, and the factor to its unit here.
_FIELDS = {
    2: ("train_seconds", 1.0),
    3: ("cifar10_train_acc", 100.0),
    4: (VALIDATION, 100.0),
    5: ("cifar10_test_acc", 100.0),
}

# Records between two reports of the progress.
_REPORT_EVERY = 2000


class _RunSums:
    """Sums over the runs of cells, filled record by record."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.cells: list[tuple[str, str]] = []
        self.params: list[float] = []
        self.sums: dict[Column, dict[int, tuple[float, int]]] = {}

    def add(self, hash_: str, epochs: int, adjacency: str, operations: str, message: bytes) -> None:
        """Add one record."""
        evaluations: list[bytes] = []
        params = np.nan

        # Fields may come in any order, and unknown ones are skipped.
        for number, value in fields(message):
            if number == 1 and isinstance(value, bytes):
                evaluations.append(value)
            elif number == 2 and isinstance(value, int):
                params = float(value)

        # The hash is the same for every labelling of a cell, so that its runs share a row.
        row = self.rows.setdefault(hash_, len(self.cells))
        if row == len(self.cells):
            self.cells.append(_cell(adjacency, operations))
            self.params.append(params)

        # The last evaluation is that at the end of the training.
        for number, value in fields(evaluations[-1]):
            if number in _FIELDS and isinstance(value, float):
                name, factor = _FIELDS[number]
                column = self.sums.setdefault((name, epochs), {})
                total, count = column.get(row, (0.0, 0))
                column[row] = total + factor * value, count + 1

    def columns(self) -> dict[Column, NDArray[np.float64]]:
        """Return the means over runs, NaN where a cell has no run."""
        columns: dict[Column, NDArray[np.float64]] = {}
        for key in sorted(self.sums, key=lambda key: (key[0], key[1] or 0)):
            values = np.full(len(self.cells), np.nan)
            for row, (total, count) in self.sums[key].items():
                values[row] = total / count
            columns[key] = values
        return {**columns, ("params", None): np.array(self.params, dtype=np.float64)}


def read_release(path: Path, progress: Progress = silent) -> Records:
    """Read the cells of `nasbench_full.tfrecord` or `nasbench_only108.tfrecord`.

    Args:
        path: The file.
        progress: Called with the fraction of the file that has been read.

    Raises:
        InvalidBenchmark: The file is cut or damaged, or a record has another layout; it is named.
    """
    sums = _RunSums()
    size = path.stat().st_size

    for index, (record, position) in enumerate(read_records(path)):
        try:
            hash_, epochs, adjacency, operations, metrics = json.loads(record)
            message = base64.b64decode(metrics, validate=True)
            sums.add(hash_, int(epochs), adjacency, operations, message)
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise InvalidBenchmark(
                f"{path}: record {index}: not one of NAS-Bench-101: {error}"
            ) from error

        if index % _REPORT_EVERY == 0:
            progress(position / size, f"{len(sums.cells)} cells")

    if not sums.cells:
        raise InvalidBenchmark(f"{path}: the file is empty")

    codes = codes_of_cells(sums.cells, path)
    return Records(SPACE, codes, sums.columns(), hashes_of(list(sums.rows), path))


def _cell(adjacency: str, operations: str) -> tuple[str, str]:
    """Return the bits of the upper triangle and the digits of the inner operations."""
    names = operations.split(",")
    count = len(names)
    if len(adjacency) != count * count or names[0] != "input" or names[-1] != "output":
        raise ValueError(f"the cell {adjacency!r:.60} {operations!r:.60}")

    # Edges lead to later vertices only: the other half of the matrix is zero.
    bits = "".join(adjacency[row * count + row + 1 : (row + 1) * count] for row in range(count))
    return bits, "".join(str(OPERATIONS.index(name)) for name in names[1:-1])
