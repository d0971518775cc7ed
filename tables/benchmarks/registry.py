"""Benchmarks by name, and where their files are looked for."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

from spaces.plugins import Registry
from tables.benchmarks import compact
from tables.benchmarks.entries import HARDWARE, HARDWARE_ENTRY, Entry
from tables.benchmarks.errors import InvalidBenchmark, MissingBenchmark
from tables.benchmarks.oracle import Benchmark
from tables.benchmarks.records import Records

DEFAULT_FOLDER = Path("runs/benchmarks")
"""Where `python -m tables import` writes benchmarks unless told otherwise."""


BENCHMARKS = Registry[Entry](
    "benchmark",
    "pathfit.benchmarks",
    {
        "nasbench201": "tables.benchmarks.entries:NASBENCH201",
        "nasbench101": "tables.benchmarks.entries:NASBENCH101",
        "nasbench-macro": "tables.benchmarks.entries:NASBENCH_MACRO",
    },
    broken=InvalidBenchmark,
)
"""Name -> entry of a benchmark: its space, its files and their readers."""


def register_benchmark(name: str, entry: Entry) -> None:
    """Register a benchmark; a name can be taken once.

    Args:
        name: Name that `benchmark` and `--guide benchmark:NAME` then accept.
        entry: Space of the benchmark, and which files are read by which function.
    """
    BENCHMARKS.add(name, entry)


def available() -> list[str]:
    """The names that `benchmark` takes."""
    return BENCHMARKS.names()


def importable() -> dict[str, Entry]:
    """Name -> entry of everything that `python -m tables import --benchmark` makes a compact file
    of.
    """
    return {**{name: BENCHMARKS.get(name) for name in BENCHMARKS}, HARDWARE: HARDWARE_ENTRY}


def import_command(name: str) -> str:
    """The command that makes the compact file of a benchmark from its official one."""
    return f"python -m tables import {importable()[name].official} --benchmark {name}"


def folders() -> list[Path]:
    """Return the folders to search: PATHFIT_DATA, runs/benchmarks, PATHFIT_REFERENCE_DATA."""
    paths = os.environ.get("PATHFIT_DATA", "").split(os.pathsep)
    named = [Path(path) for path in paths if path]
    reference = os.environ.get("PATHFIT_REFERENCE_DATA")
    return [*named, DEFAULT_FOLDER, *([Path(reference)] if reference else [])]


def find(name: str, data: str | Path | None = None) -> Path | None:
    """The file that `benchmark` would read, None where there is none; arguments and errors as
    there.
    """
    return next(iter(_found(name, _places(data))), None)


def benchmark(name: str, data: str | Path | None = None) -> Benchmark:
    """The benchmark of a name.

    Args:
        name: nasbench201, nasbench101 or nasbench-macro.
        data: a compact file, a file that is read as it is, or the only folder to look in; None:
            `folders()`.

    Raises:
        UnknownName: no such benchmark.
        MissingBenchmark: none of its files is there; the official one, where it is published and
            the command that makes a compact file of it are named.
        InvalidBenchmark: a file is broken.
    """
    entry = BENCHMARKS.get(name)
    places = _places(data)
    found = _found(name, places)
    if not found:
        raise MissingBenchmark(name, entry.official, entry.published, import_command(name), places)
    path, reader = next(iter(found.items()))
    records, files = reader(path), [path]
    if name == "nasbench201":
        from tables.benchmarks.nasbench201 import latency_file

        beside = latency_file(path) if path.suffix != ".npz" else None
        files += [beside] if beside is not None else []
        hardware = hardware_file(data)
        if hardware is not None:
            from tables.benchmarks.hw_nas_bench import joined

            records = joined(records, compact.read(hardware, HARDWARE))
            files.append(hardware)
    return Benchmark(name, records, tuple(files))


def _places(data: str | Path | None) -> list[Path]:
    return folders() if data is None else [Path(data)]


def _found(name: str, places: list[Path]) -> dict[Path, Callable[[Path], Records]]:
    """The files of a benchmark that are there, with what reads them; the first of them counts."""
    entry = BENCHMARKS.get(name)
    found: dict[Path, Callable[[Path], Records]] = {}
    for place in places:
        if place.is_file():
            found[place] = _reader_of(name, entry, place)
        elif place.is_dir():
            patterns = ((f"{name}.npz", None), (f"benchmarks/{name}.npz", None), *entry.readable)
            for pattern, reader in patterns:
                path = place / pattern
                if path.is_file():
                    found.setdefault(path, _compact(name) if reader is None else _loaded(reader))
    return found


def _reader_of(name: str, entry: Entry, path: Path) -> Callable[[Path], Records]:
    if path.suffix == ".npz":
        return _compact(name)
    readers = [
        reader for pattern, reader in entry.readable if path.suffixes == Path(pattern).suffixes
    ]
    if not readers:
        raise InvalidBenchmark(
            f"{path}: no compact file (.npz) of {name}; one is made of the official file by:"
            f" {import_command(name)}"
        )
    return _loaded(readers[0])


def _compact(name: str) -> Callable[[Path], Records]:
    return lambda path: compact.read(path, name)


def _loaded(target: str) -> Callable[[Path], Records]:
    module, _, function = target.partition(":")
    reader: Callable[[Path], Records] = getattr(importlib.import_module(module), function)
    return reader


def hardware_file(data: str | Path | None = None) -> Path | None:
    """HW-NAS-Bench's compact file that joins nasbench201; `data` as of `benchmark`."""
    for place in _places(data):
        folder = place.parent if place.is_file() else place
        for path in (folder / f"{HARDWARE}.npz", folder / "benchmarks" / f"{HARDWARE}.npz"):
            if path.is_file():
                return path
    return None
