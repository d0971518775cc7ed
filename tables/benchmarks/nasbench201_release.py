"""NAS-Bench-201 from its project's files (Dong and Yang, ICLR 2020; D-X-Y/NAS-Bench-201).

The release is one `.pth` for all cells, `{"meta_archs": [string, ...], "arch2infos": {index:
{"full": ..., "less": ...}}}`, or a folder of one `.pth` per cell, `000000-FULL.pth` and so on with
`{"full": ..., "less": ...}`. `full` are the trainings of 200 epochs and `less` those of 12. Each
has `arch_str`, `dataset_seed` (data -> seeds) and `all_results`, (data, seed) -> results with
`epochs`, `eval_acc1es` (percent, by "set@epoch"), `eval_losses`, `train_times` (s per epoch) and
`latency` (seconds for 256 images on a GTX 1080 Ti). Values are means over seeds, of the last epoch.
NATS-Bench has the same cells and trainings in files of its own.
"""

from __future__ import annotations

import pickle
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spaces.progress import Progress, silent
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.nasbench201 import FULL, SHORT, SPACE, codes_of_strings
from tables.benchmarks.nats_bench import is_nats_bench, read_cells
from tables.benchmarks.records import Column, Records

# The release's trainings -> their epochs.
_TRAININGS = {"full": FULL, "less": SHORT}

# Names of metrics -> data set and subset of the release.
_SETS = {
    "cifar10_valid": ("cifar10-valid", "x-valid"),
    "cifar10_test": ("cifar10", "ori-test"),
    "cifar100_valid": ("cifar100", "x-valid"),
    "cifar100_test": ("cifar100", "x-test"),
    "imagenet16_120_valid": ("ImageNet16-120", "x-valid"),
    "imagenet16_120_test": ("ImageNet16-120", "x-test"),
}

# The data set whose training time is the metric train_seconds.
_TIMED = "cifar10"

_LATENCY: Column = ("latency_ms@1080ti_256", None)


def read_release(path: Path, progress: Progress = silent) -> Records:
    """Read the cells of the release, or those of NATS-Bench.

    Args:
        path: The one `.pth` or `.pickle.pbz2`, or the folder of one such file per cell.
        progress: Called with the fraction of cells that have been read.

    Raises:
        InvalidBenchmark: A file has anything but plain containers, arrays and tensors, which is
            named, or it has another layout.
    """
    strings: list[str] = []
    rows: list[dict[Column, float]] = []
    for index, total, source, info in _cells(path):
        row: dict[Column, float] = {}
        try:
            for training, epochs in _TRAININGS.items():
                row |= _values(info[training], epochs)
            strings.append(str(info["full"]["arch_str"]))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            fault = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise InvalidBenchmark(f"{source}: cell {index}: {fault}") from error

        rows.append(row)
        progress((index + 1) / total, f"{index + 1}/{total} cells")

    # In the order in which the cells first have them; a few cells lack some.
    keys = list(dict.fromkeys(key for row in rows for key in row))
    columns = {
        key: np.array([row.get(key, np.nan) for row in rows], dtype=np.float64) for key in keys
    }
    return Records(SPACE, codes_of_strings(strings, path), columns)


def _cells(path: Path) -> Iterator[tuple[int, int, Path, Any]]:
    """Yield each cell's position, the number of cells, its file and its content."""
    if is_nats_bench(path):
        return read_cells(path)
    return _folder(path) if path.is_dir() else _file(path)


def _file(path: Path) -> Iterator[tuple[int, int, Path, Any]]:
    """Yield each cell's position, the number of cells, its file and its content."""
    release = _load(path)
    try:
        names = list(release["meta_archs"])
        infos = release["arch2infos"]
        total = len(infos)
        ordered = sorted(infos)
    except (KeyError, TypeError) as error:
        raise InvalidBenchmark(
            f"{path}: not NAS-Bench-201: it needs 'meta_archs' and 'arch2infos'"
        ) from error

    for position, index in enumerate(ordered):
        info = infos[index]

        # meta_archs has the notation of every cell, also of those whose trainings lack it.
        if isinstance(info, Mapping) and isinstance(info.get("full"), dict):
            info["full"].setdefault("arch_str", names[index])
        yield position, total, path, info


def _folder(path: Path) -> Iterator[tuple[int, int, Path, Any]]:
    """Yield each cell's position, the number of cells, its file and its content."""
    files = sorted(path.glob("*-FULL.pth"))
    if not files:
        raise InvalidBenchmark(
            f"{path}: a folder of NAS-Bench-201 has files named 000000-FULL.pth and so on"
        )
    for position, file in enumerate(files):
        yield position, len(files), file, _load(file)


def _values(training: Mapping[str, Any], epochs: int) -> dict[Column, float]:
    """Return the values of one cell's trainings of so many epochs."""
    values: dict[Column, float] = {}
    for name, (data, subset) in _SETS.items():
        # The number of seeds differs between cells and data sets.
        seeds = training["dataset_seed"].get(data, ())
        runs = [training["all_results"][data, seed] for seed in seeds]

        for field, suffix in (("eval_acc1es", "acc"), ("eval_losses", "loss")):
            results = (_last(run, field, subset) for run in runs)
            values |= _mean((f"{name}_{suffix}", epochs), results)

        if data == _TIMED:
            times = [sum(_in_order(run["train_times"])) for run in runs if run.get("train_times")]
            values |= _mean(("train_seconds", epochs), times)

    # Runs whose latency was not measured have -1.
    latencies = [
        seconds
        for run in training["all_results"].values()
        for seconds in run.get("latency") or ()
        if seconds > 0
    ]

    # Both trainings are of the same network: one column holds its latency.
    if epochs == FULL:
        values |= _mean(_LATENCY, (1000 * seconds for seconds in latencies))
    return values


def _last(run: Mapping[str, Any], field: str, subset: str) -> float | None:
    """Return a result of the last epoch, None where the run was not evaluated on the subset."""
    value = run[field].get(f"{subset}@{int(run['epochs']) - 1}")
    return None if value is None else float(value)


def _in_order(times: Any) -> list[float]:
    # The release has both: a mapping from the epoch, and a list.
    return list(map(float, times.values() if isinstance(times, Mapping) else times))


def _mean(key: Column, values: Iterable[float | None]) -> dict[Column, float]:
    """Return the column with the mean of the values that exist, nothing without any."""
    existing = [value for value in values if value is not None]
    return {key: float(np.mean(existing))} if existing else {}


def _load(path: Path) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_safe_globals()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        reason = "not a file of plain containers and tensors"
        if refused:
            reason = f"refused to load {refused[1]}"
        raise InvalidBenchmark(
            f"{path}: {reason}; only plain containers, arrays and tensors are read"
        ) from error
    # A damaged file fails anywhere in torch's reader.
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
    ) as error:
        first_line = str(error).partition("\n")[0]
        raise InvalidBenchmark(f"{path}: not a file that torch saved: {first_line}") from error


def _safe_globals() -> list[Any]:
    """Return the globals that the release's files may refer to in addition to tensors.

    They are numpy's, under its module's old name and the new one.
    """
    from numpy._core.multiarray import _reconstruct, scalar

    codes = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u1", "?")
    dtypes = [type(np.dtype(code)) for code in codes]
    old_names = [
        (scalar, "numpy.core.multiarray.scalar"),
        (_reconstruct, "numpy.core.multiarray._reconstruct"),
    ]
    return [
        np.dtype,
        np.ndarray,
        *dtypes,
        scalar,
        _reconstruct,
        *old_names,
        defaultdict,
        dict,
        list,
    ]
