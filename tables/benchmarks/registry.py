"""Benchmarks by name, and the folders of their files."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

from spaces.files import text_suffix
from spaces.plugins import Registry
from tables.benchmarks import compact
from tables.benchmarks.entries import HARDWARE, HARDWARE_ENTRY, Entry
from tables.benchmarks.errors import InvalidBenchmark, MissingBenchmark
from tables.benchmarks.oracle import Benchmark
from tables.benchmarks.records import Records

DEFAULT_FOLDER = Path("runs/benchmarks")
"""Folder that `python -m tables import` writes benchmarks to by default."""

BENCHMARKS = Registry[Entry](
    "benchmark",
    "pathfit.benchmarks",
    {
        "nasbench201": "tables.benchmarks.entries:NASBENCH201",
        "nasbench101": "tables.benchmarks.entries:NASBENCH101",
        "nasbench301": "tables.benchmarks.entries:NASBENCH301",
        "nasbench-macro": "tables.benchmarks.entries:NASBENCH_MACRO",
        "nds-resnet": "tables.benchmarks.entries:NDS_RESNET",
        "nds-resnext": "tables.benchmarks.entries:NDS_RESNEXT",
    },
    broken=InvalidBenchmark,
)
"""Name -> entry of a benchmark: its space, its files and their readers."""


def register_benchmark(name: str, entry: Entry) -> None:
    """Register a benchmark; a name can be taken once.

    Args:
        name: Name that `benchmark` and `--guide benchmark:NAME` then accept.
        entry: Space of the benchmark, and which files are read by which function.

    Raises:
        ValueError: The name belongs to another benchmark.
    """
    BENCHMARKS.add(name, entry)


def available() -> list[str]:
    """Return the names that `benchmark` accepts."""
    return BENCHMARKS.names()


def importable() -> dict[str, Entry]:
    """Return the benchmarks that `python -m tables import --benchmark` can import.

    Returns:
        Name -> entry. HW-NAS-Bench is among them: it has only columns that join nasbench201.
    """
    return {**{name: BENCHMARKS.get(name) for name in BENCHMARKS}, HARDWARE: HARDWARE_ENTRY}


def import_command(name: str) -> str:
    """Return the command that makes the compact file of a benchmark from its official one."""
    return f"python -m tables import {importable()[name].official} --benchmark {name}"


def folders() -> list[Path]:
    """Return the folders to search: PATHFIT_DATA, runs/benchmarks, PATHFIT_REFERENCE_DATA."""
    paths = os.environ.get("PATHFIT_DATA", "").split(os.pathsep)
    named = [Path(path) for path in paths if path]
    reference = os.environ.get("PATHFIT_REFERENCE_DATA")
    # The first file found counts: files that the user names precede imported ones.
    return [*named, DEFAULT_FOLDER, *([Path(reference)] if reference else [])]


def find(name: str, data: str | Path | None = None) -> Path | None:
    """Return the file that `benchmark` would read, None where no file exists.

    Arguments and errors are those of `benchmark`.
    """
    return next(iter(_readers(name, _search_paths(data))), None)


def benchmark(name: str, data: str | Path | None = None) -> Benchmark:
    """Load a benchmark.

    Args:
        name: One of `available()`, such as nasbench201, nasbench101 or nasbench-macro.
        data: A compact file, a file that is readable as it is, or the only folder to search. None
            searches `folders()`.

    Raises:
        UnknownName: No benchmark has this name.
        MissingBenchmark: None of its files exists. The message names the official file, its address
            and the command that makes a compact file of it.
        InvalidBenchmark: A file is broken.

    Example:
        >>> import json, pathlib, tempfile
        >>> import tables
        >>> networks = {"00000000": {"test_acc": [90.0, 91.0, 92.0], "params": 1e6, "flops": 1e8}}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "nas-bench-macro_cifar10.json"
        ...     _ = path.write_text(json.dumps(networks))
        ...     benchmark = tables.benchmark("nasbench-macro", folder)
        >>> architecture, accuracy = benchmark.best()
        >>> accuracy
        91.0
    """
    # An unknown name is refused before any folder is searched.
    entry = BENCHMARKS.get(name)
    paths = _search_paths(data)
    readers = _readers(name, paths)
    if not readers:
        raise MissingBenchmark(name, entry.official, entry.published, import_command(name), paths)

    path, reader = next(iter(readers.items()))
    records = reader(path)
    files = [path]
    # The only benchmark whose costs were published apart from its accuracies.
    if name == "nasbench201":
        from tables.benchmarks.nasbench201 import latency_file

        # The CSV reader has joined these latencies; the result records their file too.
        latencies = latency_file(path) if path.suffix != ".npz" else None
        files += [latencies] if latencies is not None else []

        # The costs of HW-NAS-Bench join any file of the accuracies.
        hardware = hardware_file(data)
        if hardware is not None:
            from tables.benchmarks.hw_nas_bench import join

            records = join(records, compact.read(hardware, HARDWARE))
            files.append(hardware)
    return Benchmark(name, records, tuple(files))


def _search_paths(data: str | Path | None) -> list[Path]:
    return folders() if data is None else [Path(data)]


def _readers(name: str, paths: list[Path]) -> dict[Path, Callable[[Path], Records]]:
    """Return the existing files of a benchmark with their readers; the first file counts."""
    entry = BENCHMARKS.get(name)
    compact_files = ((f"{name}.npz", None), (f"benchmarks/{name}.npz", None))
    readers: dict[Path, Callable[[Path], Records]] = {}

    for path in paths:
        if path.is_file():
            readers[path] = _reader_of(name, entry, path)
        elif path.is_dir():
            # Compact files come first: they load in a moment.
            for pattern, target in (*compact_files, *entry.readable):
                file = path / pattern
                if file.is_file():
                    reader = _compact_reader(name) if target is None else _import_reader(target)
                    readers.setdefault(file, reader)
    return readers


def _reader_of(name: str, entry: Entry, path: Path) -> Callable[[Path], Records]:
    """Return the reader of a named file, which may have any name with a known ending."""
    if path.suffix == ".npz":
        return _compact_reader(name)
    targets = [
        target for pattern, target in entry.readable if text_suffix(path) == text_suffix(pattern)
    ]
    if not targets:
        raise InvalidBenchmark(
            f"{path}: no compact file (.npz) of {name}; make one of the official file by:"
            f" {import_command(name)}"
        )
    return _import_reader(targets[0])


def _compact_reader(name: str) -> Callable[[Path], Records]:
    return lambda path: compact.read(path, name)


def _import_reader(target: str) -> Callable[[Path], Records]:
    module, _, function = target.partition(":")
    reader: Callable[[Path], Records] = getattr(importlib.import_module(module), function)
    return reader


def hardware_file(data: str | Path | None = None) -> Path | None:
    """Return HW-NAS-Bench's compact file, which joins nasbench201, None where it does not exist.

    Args:
        data: As of `benchmark`.
    """
    for path in _search_paths(data):
        folder = path.parent if path.is_file() else path
        for file in (folder / f"{HARDWARE}.npz", folder / "benchmarks" / f"{HARDWARE}.npz"):
            if file.is_file():
                return file
    return None
