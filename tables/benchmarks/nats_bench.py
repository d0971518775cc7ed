"""NATS-Bench's cells, which are NAS-Bench-201's (Dong et al., TPAMI 2021; D-X-Y/NATS-Bench).

The release is a folder, `NATS-tss-v1_0-3ffb9-simple`, of one `000000.pickle.pbz2` a cell and so on
with `{"12": ..., "200": ...}`, the trainings of 12 and 200 epochs in the layout of NAS-Bench-201's
release, and `meta.pickle.pbz2` with `{"meta_archs": [string, ...]}`; or one `.pickle.pbz2` for all
cells, `{"meta_archs": [...], "arch2infos": {index: {"12": ..., "200": ...}}}`.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spaces.errors import InvalidFile
from spaces.files import read_unpacked
from spaces.formats.array_pickle import ARRAYS
from spaces.formats.restricted_pickle import loads_plain
from tables.benchmarks.errors import InvalidBenchmark

SUFFIX = ".pickle.pbz2"

_META = f"meta{SUFFIX}"

# Names of the trainings here -> their names in NAS-Bench-201's release.
_TRAININGS = {"200": "full", "12": "less"}

# Most bytes that a file may unpack to; the file of all cells unpacks to some gigabytes.
_MOST_UNPACKED = 1 << 35


def is_nats_bench(path: Path) -> bool:
    """Return whether a path is a file of NATS-Bench, or a folder with such files."""
    if path.is_dir():
        return next(path.glob(f"*{SUFFIX}"), None) is not None
    return path.name.endswith(SUFFIX)


def read_cells(path: Path) -> Iterator[tuple[int, int, Path, Any]]:
    """Yield each cell's position, the number of cells, its file and its trainings.

    The trainings are those of NAS-Bench-201's release, `{"full": ..., "less": ...}`.

    Args:
        path: The folder of one file per cell, or the file of all cells.

    Raises:
        InvalidBenchmark: A file cannot be read, has anything but plain containers and arrays, has
            another layout, or is of NATS-Bench's other space.
    """
    if path.is_dir():
        files = sorted(file for file in path.glob(f"*{SUFFIX}") if file.name != _META)
        # The names of the cells are in their own files too, so that the other file is not needed.
        if not files:
            raise InvalidBenchmark(f"{path}: no file of a cell, such as 000000{SUFFIX}")
        for position, file in enumerate(files):
            yield position, len(files), file, _trainings(_load(file), file)
        return

    release = _load(path)
    infos = release.get("arch2infos") if isinstance(release, Mapping) else None
    if not isinstance(infos, Mapping) or not infos:
        raise InvalidBenchmark(f"{path}: not NATS-Bench: it needs 'arch2infos'")
    try:
        indices = sorted(infos)
    except TypeError as error:
        raise InvalidBenchmark(f"{path}: the cells of 'arch2infos' need numbers") from error
    for position, index in enumerate(indices):
        yield position, len(infos), path, _trainings(infos[index], path)


def _trainings(info: Any, path: Path) -> dict[str, Any]:
    """Return a cell's trainings under the names of NAS-Bench-201's release."""
    if isinstance(info, Mapping) and "90" in info:
        raise InvalidBenchmark(
            f"{path}: a network of NATS-Bench's size space, which has trainings of 90 epochs; only"
            " the cells of its topology space (NATS-tss) are read"
        )
    if not isinstance(info, Mapping) or not info.keys() >= _TRAININGS.keys():
        raise InvalidBenchmark(
            f"{path}: a cell needs the trainings '12' and '200' (epochs), not {info!r:.60}"
        )
    return {name: info[epochs] for epochs, name in _TRAININGS.items()}


def _load(path: Path) -> Any:
    try:
        with bz2.open(path) as file:
            content = read_unpacked(file, _MOST_UNPACKED)
    except (OSError, EOFError) as error:
        raise InvalidBenchmark(f"{path}: cannot be unpacked: {error}") from error

    try:
        return loads_plain(content, str(path), ARRAYS)
    except InvalidFile as error:
        hint = ""
        # The weights of the networks are tensors.
        if "torch" in str(error):
            hint = "; the folder whose name ends in -simple has no weights"
        raise InvalidBenchmark(f"{error}{hint}") from error
