"""NAS-Bench-Macro from its project's JSON file.

Su et al., CVPR 2021, arXiv 2103.11922; xiusu/NAS-Bench-Macro. The file maps networks, a digit per
layer, to their results: `{"02012100": {"test_acc": [three seeds], "mean_acc": ..., "params": ...,
"flops": ...}, ...}`. The accuracies are those of the best test epoch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidArchitecture
from spaces.progress import Progress, silent
from spaces.registry import get
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.json_results import json_value
from tables.benchmarks.records import Column, Records

SPACE = "nasbench-macro"


def read_json(path: Path, progress: Progress = silent) -> Records:
    """Read the networks of the file.

    Args:
        path: The JSON file.
        progress: Not called: the file is read in a moment.

    Raises:
        InvalidBenchmark: The file is broken; the network is named.
    """
    table = json_value(path)
    if not isinstance(table, dict) or not table:
        raise InvalidBenchmark(
            f"{path}: needs an object of networks, such as {{'02012100': {{...}}}}"
        )

    rows: list[list[int]] = []
    values: list[tuple[float, float, float]] = []
    for name, entry in table.items():
        try:
            rows.append([int(digit) for digit in name])
            mean_accuracy = float(np.mean(entry["test_acc"]))
            row = (mean_accuracy, float(entry["flops"]), float(entry["params"]))
            if not np.isfinite(row).all():
                raise ValueError(f"its accuracy, flops or params are not finite: {row}")
            values.append(row)
        except (ValueError, TypeError, KeyError) as error:
            fault = f"the key {error} is missing" if isinstance(error, KeyError) else error
            raise InvalidBenchmark(f"{path}: network {name!r:.60}: {fault}") from error

    try:
        codes = get(SPACE).check(np.array(rows))
    # Rows of different lengths make no array: a ValueError.
    except (InvalidArchitecture, ValueError) as error:
        raise InvalidBenchmark(f"{path}: {error}") from error

    accuracy, macs, params = np.array(values, dtype=np.float64).T
    columns: dict[Column, NDArray[np.float64]] = {
        ("cifar10_test_acc", None): accuracy,
        # The file's flops are multiply-accumulates.
        ("macs", None): macs,
        ("params", None): params,
    }
    return Records(SPACE, codes, columns)
