"""Benchmarks by name, and where their files are looked for."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import UnknownName
from tables.benchmarks import compact
from tables.benchmarks.errors import InvalidBenchmark, MissingBenchmark
from tables.benchmarks.oracle import Benchmark
from tables.benchmarks.records import Records

DEFAULT_FOLDER = Path("runs/benchmarks")
"""Where `python -m tables import` writes benchmarks unless told otherwise."""

_BESIDE_PROJECT = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Entry:
    """A benchmark that is known by name.

    Args:
        space: canonical name of its space.
        official: the file that its project publishes.
        published: where.
        readable: other files that are read as they are, as patterns in a folder, and what reads
            them.
        importer: what reads the official file, "module:function".
    """

    space: str
    official: str
    published: str
    readable: tuple[tuple[str, str], ...]
    importer: str


def _csv(folder: str, file: str, reader: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, reader) for name in (f"{folder}/{file}.gz", f"{folder}/{file}", f"{file}.gz", file)
    )


_MACRO = "nas-bench-macro_cifar10.json"
_MACRO_READER = "tables.benchmarks.nasbench_macro:read_json"

ENTRIES = {
    "nasbench201": Entry(
        "nasbench201",
        "NAS-Bench-201-v1_1-096897.pth",
        "https://github.com/D-X-Y/NAS-Bench-201",
        _csv("nasbench201", "accuracy.csv", "tables.benchmarks.nasbench201:read_csv"),
        "tables.benchmarks.nasbench201_release:read_release",
    ),
    "nasbench101": Entry(
        "nasbench101",
        "nasbench_full.tfrecord",
        "https://github.com/google-research/nasbench",
        _csv("nasbench101", "subset.csv", "tables.benchmarks.nasbench101:read_csv"),
        "tables.benchmarks.nasbench101_release:read_release",
    ),
    "nasbench-macro": Entry(
        "nasbench-macro",
        _MACRO,
        "https://github.com/xiusu/NAS-Bench-Macro",
        ((_MACRO, _MACRO_READER), (f"nasbench_macro/{_MACRO}", _MACRO_READER)),
        _MACRO_READER,
    ),
}

HARDWARE = "hw-nas-bench"
"""Latencies and energies of NAS-Bench-201's cells, which join that benchmark where their file is
found.
"""

HARDWARE_ENTRY = Entry(
    "nasbench201",
    "HW-NAS-Bench-v1_0.pickle",
    "https://github.com/GATECH-EIC/HW-NAS-Bench",
    (),
    "tables.benchmarks.hw_nas_bench:read_release",
)


def available() -> list[str]:
    """The names that `benchmark` takes."""
    return list(ENTRIES)


def importable() -> dict[str, Entry]:
    """Name -> entry of everything that `python -m tables import --benchmark` makes a compact file
    of.
    """
    return {**ENTRIES, HARDWARE: HARDWARE_ENTRY}


def import_command(name: str) -> str:
    """The command that makes the compact file of a benchmark from its official one."""
    return f"python -m tables import {importable()[name].official} --benchmark {name}"


def folders() -> list[Path]:
    """Where files are looked for: PATHFIT_DATA, runs/benchmarks, and PATHFIT_REFERENCE_DATA or
    ../shared/data.
    """
    named = [Path(part) for part in os.environ.get("PATHFIT_DATA", "").split(os.pathsep) if part]
    reference = os.environ.get("PATHFIT_REFERENCE_DATA")
    return [*named, DEFAULT_FOLDER, Path(reference) if reference else _BESIDE_PROJECT]


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
    entry = _entry(name)
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


def _entry(name: str) -> Entry:
    if name not in ENTRIES:
        raise UnknownName("benchmark", name, ENTRIES)
    return ENTRIES[name]


def _places(data: str | Path | None) -> list[Path]:
    return folders() if data is None else [Path(data)]


def _found(name: str, places: list[Path]) -> dict[Path, Callable[[Path], Records]]:
    """The files of a benchmark that are there, with what reads them; the first of them counts."""
    entry = _entry(name)
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
