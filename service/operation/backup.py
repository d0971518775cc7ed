"""Backups: the jobs and their artifacts in one archive, laid out as a data folder."""

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

DATABASE, RESULTS = "jobs.sqlite", "results"
"""Where a data folder has its jobs and its artifacts; an archive has them there too."""

GZIP = (".gz", ".tgz")


class BackupFailed(PathfitError):
    """A store that cannot be backed up; why is told."""


@dataclass(frozen=True)
class Backup:
    """What a backup holds.

    Args:
        artifacts: how many there are.
        size: bytes of the archive.
    """

    artifacts: int
    size: int


def back_up(
    store: Store,
    artifacts: Artifacts,
    path: Path,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Backup:
    """Write an archive that unpacks to a data folder; the service may go on meanwhile.

    Args:
        store: the jobs, in SQLite.
        artifacts: what they left.
        path: the archive; compressed where it ends in .gz or .tgz.
        tell: told how many artifacts are written, and of how many.

    Raises:
        BackupFailed: the store is in PostgreSQL, which has tools of its own.
        ArtifactFailed: an artifact cannot be read.
        InvalidFile: the archive cannot be written.
    """
    if store.path is None:
        raise BackupFailed(
            f"the jobs are in {store.name}: use pg_dump for them, and a copy of the artifacts"
            f" ({artifacts.url})"
        )
    written = 0
    with (
        replacing(path) as beside,
        _explained(path),
        tarfile.open(beside, "w:gz" if path.suffix in GZIP else "w") as archive,
    ):
        # The jobs first: every artifact that they name was there by then.
        with tempfile.TemporaryDirectory(dir=path.resolve().parent, prefix=".backup.") as folder:
            copy_database(store.path, Path(folder) / DATABASE)
            archive.add(Path(folder) / DATABASE, DATABASE)
        paths = artifacts.paths()
        for number, name in enumerate(paths, 1):
            with contextlib.suppress(MissingArtifact):  # removed meanwhile
                _add(archive, artifacts, name)
                written += 1
            tell(number, len(paths))
    return Backup(written, path.stat().st_size)


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database as it is at one moment, by its own online backup."""
    with (
        contextlib.closing(
            sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
        ) as here,
        contextlib.closing(sqlite3.connect(target)) as there,
    ):
        here.backup(there)
        there.execute("PRAGMA journal_mode=DELETE")  # one file, without the log beside it


def _add(archive: tarfile.TarFile, artifacts: Artifacts, name: str) -> None:
    entry = tarfile.TarInfo(f"{RESULTS}/{name}")
    entry.size, entry.mtime = artifacts.size(name), int(time.time())
    with artifacts.opened(name) as content:
        archive.addfile(entry, content)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise BackupFailed(f"cannot write {path}: {reason}") from error
