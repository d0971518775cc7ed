"""From the files that benchmarks' projects publish to compact files."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from spaces.errors import UnknownName
from spaces.files import digest
from spaces.progress import Progress, silent
from tables.benchmarks import compact
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.records import Records
from tables.benchmarks.registry import importable


def import_benchmark(
    name: str,
    path: str | Path,
    output: str | Path,
    *,
    command: str,
    progress: Progress = silent,
) -> Records:
    """Make the compact file of a benchmark.

    Args:
        name: nasbench201, nasbench101, nasbench-macro or hw-nas-bench.
        path: the official file; of nasbench201 the folder of one file a cell, too.
        output: the compact file, which ends in .npz.
        command: what makes it.
        progress: told the share that is done.

    Raises:
        UnknownName: no such benchmark.
        InvalidBenchmark: the file is broken, or `output` does not end in .npz.
    """
    entries = importable()
    if name not in entries:
        raise UnknownName("benchmark", name, entries)
    path, output = Path(path), Path(output)
    if output.suffix != ".npz":
        raise InvalidBenchmark(f"a compact file ends in .npz, not {output.name!r}")
    if path.is_dir() and name != "nasbench201":
        raise InvalidBenchmark(
            f"{path} is a folder; {name} is made of the file {entries[name].official}"
        )
    module, _, function = entries[name].importer.partition(":")
    reader: Callable[[Path, Progress], Records]
    reader = getattr(importlib.import_module(module), function)
    records = reader(path, progress)
    sha256 = None if path.is_dir() else digest(path)
    compact.write(output, name, records, {"file": path.name, "sha256": sha256}, command)
    return records
