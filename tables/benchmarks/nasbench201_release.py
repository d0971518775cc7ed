"""NAS-Bench-201 from its project's files (Dong and Yang, ICLR 2020; D-X-Y/NAS-Bench-201).

One `.pth` for all cells, `{"meta_archs": [string, ...], "arch2infos": {index: {"full": ..., "less":
...}}}`, or a folder of one `.pth` a cell, `000000-FULL.pth` and so on with `{"full": ..., "less":
...}`. `full` are the trainings of 200 epochs, `less` those of 12: `arch_str`, `dataset_seed` (data
-> seeds) and `all_results`, (data, seed) -> results with `epochs`, `eval_acc1es` (percent, by
"set@epoch"), `eval_losses`, `train_times` (s an epoch) and `latency` (seconds for 256 images on a
GTX 1080 Ti). Values are means over seeds, of the last epoch.
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
from tables.benchmarks.records import Column, Records

_PARTS = {"full": FULL, "less": SHORT}
_SETS = {
    "cifar10_valid": ("cifar10-valid", "x-valid"),
    "cifar10_test": ("cifar10", "ori-test"),
    "cifar100_valid": ("cifar100", "x-valid"),
    "cifar100_test": ("cifar100", "x-test"),
    "imagenet16_120_valid": ("ImageNet16-120", "x-valid"),
    "imagenet16_120_test": ("ImageNet16-120", "x-test"),
}
"""Names here -> data set and part of the release."""

_TIMED = "cifar10"
"""The data whose training time is told."""

_LATENCY: Column = ("latency_ms@1080ti_256", None)


def read_release(path: Path, progress: Progress = silent) -> Records:
    """The cells of the release.

    Args:
        path: the one `.pth`, or the folder of one `.pth` a cell.
        progress: told the share that is done.

    Raises:
        InvalidBenchmark: a file holds anything but plain containers, arrays and tensors, which is
            named, or it is not laid out so.
    """
    strings: list[str] = []
    rows: list[dict[Column, float]] = []
    for index, total, where, info in _folder(path) if path.is_dir() else _file(path):
        try:
            rows.append(
                {
                    key: value
                    for part, epochs in _PARTS.items()
                    for key, value in _row(info[part], epochs)
                }
            )
            strings.append(str(info["full"]["arch_str"]))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            fault = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise InvalidBenchmark(f"{where}: cell {index}: {fault}") from error
        progress((index + 1) / total, f"{index + 1}/{total} cells")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    columns = {
        key: np.array([row.get(key, np.nan) for row in rows], dtype=np.float64) for key in keys
    }
    return Records(SPACE, codes_of_strings(strings, path), columns)


def _file(path: Path) -> Iterator[tuple[int, int, Path, Any]]:
    whole = _load(path)
    try:
        names, infos = list(whole["meta_archs"]), whole["arch2infos"]
        total = len(infos)
        ordered = sorted(infos)
    except (KeyError, TypeError) as error:
        raise InvalidBenchmark(
            f"{path}: not NAS-Bench-201: it needs 'meta_archs' and 'arch2infos'"
        ) from error
    for place, index in enumerate(ordered):
        info = infos[index]
        if isinstance(info, Mapping) and isinstance(info.get("full"), dict):
            info["full"].setdefault("arch_str", names[index])
        yield place, total, path, info


def _folder(path: Path) -> Iterator[tuple[int, int, Path, Any]]:
    files = sorted(path.glob("*-FULL.pth"))
    if not files:
        raise InvalidBenchmark(
            f"{path}: a folder of NAS-Bench-201 has files named 000000-FULL.pth and so on"
        )
    for place, file in enumerate(files):
        yield place, len(files), file, _load(file)


def _row(part: Mapping[str, Any], epochs: int) -> Iterator[tuple[Column, float]]:
    """The values of one cell's trainings of so many epochs."""
    for name, (data, subset) in _SETS.items():
        runs = [part["all_results"][data, seed] for seed in part["dataset_seed"].get(data, ())]
        for field, suffix in (("eval_acc1es", "acc"), ("eval_losses", "loss")):
            yield from _mean(
                (f"{name}_{suffix}", epochs), (_last(run, field, subset) for run in runs)
            )
        if data == _TIMED:
            times = [sum(_in_order(run["train_times"])) for run in runs if run.get("train_times")]
            yield from _mean(("train_seconds", epochs), times)
    latencies = [
        seconds
        for run in part["all_results"].values()
        for seconds in run.get("latency") or ()
        if seconds > 0
    ]
    if epochs == FULL:
        yield from _mean(_LATENCY, (1000 * seconds for seconds in latencies))


def _last(run: Mapping[str, Any], field: str, subset: str) -> float | None:
    value = run[field].get(f"{subset}@{int(run['epochs']) - 1}")
    return None if value is None else float(value)


def _in_order(times: Any) -> list[float]:
    return list(map(float, times.values() if isinstance(times, Mapping) else times))


def _mean(key: Column, values: Iterable[float | None]) -> Iterator[tuple[Column, float]]:
    known = [value for value in values if value is not None]
    if known:
        yield key, float(np.mean(known))


def _load(path: Path) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_admitted()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        why = (
            f"refused to load {refused[1]}"
            if refused
            else "not a file of plain containers and tensors"
        )
        raise InvalidBenchmark(
            f"{path}: {why}; only plain containers, arrays and tensors are read"
        ) from error
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
        raise InvalidBenchmark(
            f"{path}: not a file that torch saved: {str(error).partition(chr(10))[0]}"
        ) from error


def _admitted() -> list[Any]:
    """What the release's files may refer to beside tensors: numpy, under its module's old name and
    the new one.
    """
    from numpy._core.multiarray import _reconstruct, scalar

    dtypes = [
        type(np.dtype(code)) for code in ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u1", "?")
    ]
    old = [
        (scalar, "numpy.core.multiarray.scalar"),
        (_reconstruct, "numpy.core.multiarray._reconstruct"),
    ]
    return [np.dtype, np.ndarray, *dtypes, scalar, _reconstruct, *old, defaultdict, dict, list]
