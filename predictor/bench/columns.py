"""What trials know of every architecture beside the values to predict: metrics of the benchmark,
and of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from predictor.errors import MissingAuxiliary

if TYPE_CHECKING:
    from tables.benchmarks.oracle import Benchmark

_SUFFIX = ".jsonl"


def file_of(text: str) -> tuple[Path, str] | None:
    """The file and the metric ("": all of them) of `FILE.jsonl` or `FILE.jsonl:NAME`; None of
    another text.
    """
    head, found, tail = text.rpartition(_SUFFIX)
    return (
        (Path(head + found), tail.removeprefix(":"))
        if found and (not tail or tail.startswith(":"))
        else None
    )


def columns(benchmark: Benchmark, auxiliary: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Name -> [n] values of a benchmark's architectures, in their order.

    Args:
        benchmark: with its architectures.
        auxiliary: its metrics, `NAME` or `NAME:EPOCHS`, and files of evaluations, `FILE.jsonl`
            (every metric) or `FILE.jsonl:NAME`.

    Raises:
        UnknownName: no such metric, or not after so many epochs.
        MissingAuxiliary: a file lacks an architecture of the benchmark, which is named.
        InvalidEvaluation: a file cannot be read; the line is named.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for text in auxiliary:
        file = file_of(text)
        if file is not None:
            found |= _of_file(benchmark, *file)
            continue
        name, _, epochs = text.partition(":")
        found[text] = benchmark.values(name, int(epochs) if epochs.isdigit() else None)
    return found


def _of_file(benchmark: Benchmark, path: Path, metric: str) -> dict[str, NDArray[np.float64]]:
    from tables.evaluation import read, values

    evaluations = read(path, benchmark.space.name)
    if not evaluations:
        raise MissingAuxiliary(f"{path} holds no evaluation")
    rows = benchmark.rows([evaluation.architecture for evaluation in evaluations])
    missing = np.setdiff1d(np.arange(len(benchmark)), rows)
    if len(missing):
        first = benchmark.space.decode(benchmark.codes()[missing[:1]])[0]
        raise MissingAuxiliary(
            f"{path} lacks {len(missing)} of the {len(benchmark)} architectures of"
            f" {benchmark.name}; the first is {first.to_json()}"
        )
    found = {}
    for name in [metric] if metric else evaluations[0].metrics:
        column = np.empty(len(benchmark))
        column[rows] = values(evaluations, name)
        found[f"{path}:{name}"] = column
    return found
