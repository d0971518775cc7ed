"""Temporary folders of a service, in one place of its data folder that is cleared at its start."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

SCRATCH = "PATHFIT_SCRATCH"
"""Environment variable of a service's processes: the folder of their temporary folders.

The workers of a cluster, whose nodes do not have the data folder, lack it.
"""

_FOLDER = "tmp"


def scratch_folder(data: Path, part: str) -> Path:
    """Return the folder of the temporary folders of a part of the service.

    Args:
        data: The data folder.
        part: Name of the part, such as web.
    """
    return data / _FOLDER / part


def clear(data: Path) -> None:
    """Remove the files of processes that died; none of the service may run."""
    shutil.rmtree(data / _FOLDER, ignore_errors=True)


@contextlib.contextmanager
def temporary_folder(name: str = "pathfit") -> Iterator[Path]:
    """Open a folder that is removed at the end of the block.

    Args:
        name: First part of its name.
    """
    parent = os.environ.get(SCRATCH)
    if parent is not None:
        Path(parent).mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory(
        prefix=f"{name}-", dir=parent, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def attempt_name(job_id: str, attempt: int) -> str:
    """Return the first part of the names of an attempt's folders."""
    return f"{job_id}-{attempt}"


def sweep(folder: Path, held: Collection[tuple[str, int]]) -> None:
    """Remove the folders of attempts that nobody runs, such as those whose worker was killed.

    Args:
        folder: Folder of the attempts' folders.
        held: Id and number of the attempts that are run.
    """
    names = {attempt_name(job_id, attempt) for job_id, attempt in held}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.rpartition("-")[0] not in names:
            shutil.rmtree(path, ignore_errors=True)


def location() -> tuple[Path, str]:
    """Return the folder of this process's temporary folders, and the setting that moves it."""
    parent = os.environ.get(SCRATCH)
    return (Path(tempfile.gettempdir()), "TMPDIR") if parent is None else (Path(parent), "--data")
