"""Backups of the jobs and their artifacts in one archive, with the layout of a data folder."""

from __future__ import annotations

import contextlib
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service.artifacts import Artifacts, MissingArtifact
from service.store import Store
from spaces.errors import PathfitError
from spaces.files import replacing

DATABASE = "jobs.sqlite"
"""File of the jobs in a data folder and in an archive."""

RESULTS = "results"
"""Folder of the artifacts in a data folder and in an archive."""

GZIP = (".gz", ".tgz")


class BackupFailed(PathfitError):
    """A store cannot be backed up; the message has the reason."""


@dataclass(frozen=True)
class Backup:
    """A backup that was written.

    Args:
        artifacts: Number of artifacts.
        size: Size of the archive in bytes.
    """

    artifacts: int
    size: int


def back_up(
    store: Store,
    artifacts: Artifacts,
    path: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Backup:
    """Write an archive that unpacks to a data folder; the service may run meanwhile.

    Args:
        store: Has the jobs, in SQLite.
        artifacts: Stores the artifacts of the jobs.
        path: File of the archive; compressed if it ends in .gz or .tgz.
        on_progress: Called with the number of artifacts that are written, and of all.

    Raises:
        BackupFailed: The store is in PostgreSQL, which has tools of its own.
        ArtifactFailed: An artifact cannot be read.
        InvalidFile: The archive cannot be written.
    """
    if store.path is None:
        raise BackupFailed(
            f"the jobs are in {store.name}: use pg_dump for them, and a copy of the artifacts"
            f" ({artifacts.url})"
        )

    # `replacing` renames the archive only at the end, so that a failure keeps the previous backup.
    written = 0
    with (
        replacing(path) as temporary,
        _converted_errors(path),
        tarfile.open(temporary, "w:gz" if path.suffix in GZIP else "w") as archive,
    ):
        # The jobs first: by then every artifact that they name exists.
        with tempfile.TemporaryDirectory(dir=path.resolve().parent, prefix=".backup.") as folder:
            copy_database(store.path, Path(folder) / DATABASE)
            archive.add(Path(folder) / DATABASE, DATABASE)

        paths = artifacts.paths()
        for number, name in enumerate(paths, 1):
            # An artifact may be removed meanwhile.
            with contextlib.suppress(MissingArtifact):
                _add(archive, artifacts, name)
                written += 1
            on_progress(number, len(paths))

    return Backup(written, path.stat().st_size)


def copy_database(source: Path, target: Path) -> None:
    """Copy the state of a SQLite database at one moment, by its own online backup."""
    with (
        contextlib.closing(
            sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
        ) as original,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)
        # One file, without a write-ahead log next to it.
        copy.execute("PRAGMA journal_mode=DELETE")


def _add(archive: tarfile.TarFile, artifacts: Artifacts, name: str) -> None:
    # Built by hand, as artifacts may be in a remote storage, without a file to take the fields
    # from.
    entry = tarfile.TarInfo(f"{RESULTS}/{name}")
    entry.size = artifacts.size(name)
    entry.mtime = int(time.time())
    with artifacts.opened(name) as content:
        archive.addfile(entry, content)


@contextlib.contextmanager
def _converted_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        # SQLite's errors have no strerror.
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise BackupFailed(f"cannot write {path}: {reason}") from error
