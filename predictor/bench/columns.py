"""Auxiliary columns of a benchmark's architectures, from its metrics and from files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from predictor.errors import MissingAuxiliary

if TYPE_CHECKING:
    from tables.benchmarks.oracle import Benchmark

# Greedy, so that a folder whose name has a suffix too belongs to the path.
_FILE = re.compile(r"(?P<path>.*\.jsonl(?:\.gz)?)(?::(?P<metric>.*))?")


def parse_file_column(text: str) -> tuple[Path, str] | None:
    """Parse `FILE.jsonl` or `FILE.jsonl:NAME`, where the file may be compressed (`.jsonl.gz`).

    Returns:
        The file and the name of the metric, empty for all metrics; None for any other text.
    """
    match = _FILE.fullmatch(text)
    if match is None:
        return None
    return Path(match["path"]), match["metric"] or ""


def columns(benchmark: Benchmark, auxiliary: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Read auxiliary columns.

    Args:
        benchmark: Benchmark whose architectures the columns belong to.
        auxiliary: Metrics of the benchmark, `NAME` or `NAME:EPOCHS`, and files of evaluations,
            `FILE.jsonl` for all of its metrics or `FILE.jsonl:NAME` for one.

    Returns:
        Name -> values [n] of the benchmark's architectures, in their order.

    Raises:
        UnknownName: The benchmark does not have the metric, or not after that many epochs.
        MissingAuxiliary: A file lacks an architecture of the benchmark; the message names it.
        InvalidEvaluation: A file cannot be read; the message names the line.
    """
    table: dict[str, NDArray[np.float64]] = {}
    for text in auxiliary:
        file = parse_file_column(text)
        if file is not None:
            table |= _file_columns(benchmark, *file)
            continue
        name, _, epochs = text.partition(":")
        table[text] = benchmark.values(name, int(epochs) if epochs.isdigit() else None)
    return table


def _file_columns(benchmark: Benchmark, path: Path, metric: str) -> dict[str, NDArray[np.float64]]:
    from tables.evaluation import read, values

    evaluations = read(path, benchmark.space.name)
    if not evaluations:
        raise MissingAuxiliary(f"{path} holds no evaluation")

    rows = benchmark.rows([evaluation.architecture for evaluation in evaluations])

    # Trials draw from the whole benchmark, so that any architecture may need its column.
    missing = np.setdiff1d(np.arange(len(benchmark)), rows)
    if len(missing):
        first = benchmark.space.decode(benchmark.codes()[missing[:1]])[0]
        raise MissingAuxiliary(
            f"{path} lacks {len(missing)} of the {len(benchmark)} architectures of"
            f" {benchmark.name}; the first is {first.to_json()}"
        )

    table = {}
    for name in [metric] if metric else evaluations[0].metrics:
        column = np.empty(len(benchmark))
        column[rows] = values(evaluations, name)
        table[f"{path}:{name}"] = column
    return table
