"""Import of benchmarks from the files that their projects publish to compact files."""

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
        name: One of `importable()`, such as nasbench201 or hw-nas-bench.
        path: The official file; for nasbench201 and nasbench301 also a folder of one file per cell.
        output: The compact file to write; it ends in .npz.
        command: The command that makes it, which the file records.
        progress: Called with the fraction that is done.

    Raises:
        UnknownName: No benchmark has this name.
        InvalidBenchmark: The file is broken, or `output` does not end in .npz.
    """
    entries = importable()
    if name not in entries:
        raise UnknownName("benchmark", name, entries)

    path = Path(path)
    output = Path(output)

    # Checked before the import, which reads gigabytes.
    if output.suffix != ".npz":
        raise InvalidBenchmark(f"a compact file ends in .npz, not {output.name!r}")

    if path.is_dir() and not entries[name].admits_folder:
        raise InvalidBenchmark(
            f"{path} is a folder; {name} is made of the file {entries[name].official}"
        )

    module, _, function = entries[name].importer.partition(":")
    reader: Callable[[Path, Progress], Records]
    reader = getattr(importlib.import_module(module), function)
    records = reader(path, progress)

    # A folder has no digest; the name alone identifies it.
    sha256 = None if path.is_dir() else digest(path)
    compact.write(output, name, records, {"file": path.name, "sha256": sha256}, command)
    return records
