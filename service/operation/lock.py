"""The locks that only one service at a time uses a data folder, and a SQLite file."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from spaces.errors import PathfitError

PATIENCE = 3.0
"""Seconds to wait for a service that is ending: its processes notice the end within a second."""

_FILE = "service.lock"


class FolderInUse(PathfitError):
    """Another service uses the data folder."""


class StoreInUse(PathfitError):
    """Another service uses the file of the job store."""


class FolderLock:
    """Holds a data folder as long as this process and its forks live.

    Args:
        folder: The data folder; created if it does not exist.
        patience: Seconds to wait for the lock.

    Raises:
        FolderInUse: Another service holds it, or the folder cannot be created.
    """

    def __init__(self, folder: Path, patience: float = PATIENCE):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _FileLock(folder / _FILE, patience)
        except OSError as error:
            raise FolderInUse(f"cannot use the data folder {folder}: {error.strerror}") from error
        except _Held as held:
            raise FolderInUse(
                f"the data folder {folder} is in use by another service (process {held.process}); "
                "stop that one, or choose another folder with --data; "
                "services with a folder each can share jobs in PostgreSQL with --database"
            ) from held

    def release(self) -> None:
        """Release the folder."""
        self._lock.release()


class StoreLock:
    """Holds the SQLite file of a job store as long as this process and its forks live.

    A service takes over all running jobs of its store when it starts, which must not be those of
    another one that lives.

    Args:
        path: The SQLite file; None for a store in PostgreSQL, which several services may share.
        patience: Seconds to wait for the lock.

    Raises:
        StoreInUse: Another service holds it, or its folder cannot be written.
    """

    def __init__(self, path: Path | None, patience: float = PATIENCE):
        self._lock: _FileLock | None = None
        if path is None:
            return

        # Resolved, so that a symbolic link is no second store.
        file = path.resolve()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _FileLock(file.with_name(f"{file.name}.lock"), patience)
        except OSError as error:
            raise StoreInUse(f"cannot lock the job store {path}: {error.strerror}") from error
        except _Held as held:
            raise StoreInUse(
                f"the job store {path} is in use by another service (process {held.process}); "
                "stop that one, or name another file; several services can share jobs in "
                "PostgreSQL: --database postgresql://USER@HOST/NAME"
            ) from held

    def release(self) -> None:
        """Release the file."""
        if self._lock is not None:
            self._lock.release()


class _Held(Exception):
    """A process holds the lock."""

    def __init__(self, process: str):
        self.process = process


class _FileLock:
    """An exclusive lock of a file, which has the id of the process that holds it.

    Raises:
        OSError: The file cannot be opened.
        _Held: Another process holds the lock.
    """

    def __init__(self, path: Path, patience: float):
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + patience

        # flock belongs to the open file: forks inherit it, and the kernel frees it when the last of
        # them dies.
        while not self._acquire():
            if time.monotonic() >= deadline:
                process = _read_process(self._handle)
                self.release()
                raise _Held(process)
            time.sleep(0.05)

        # For the message of a second service, and for `service doctor`.
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def _acquire(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        os.close(self._handle)


def holder(folder: Path) -> str | None:
    """Return the id of the process that holds a data folder; None if none does."""
    try:
        handle = os.open(folder / _FILE, os.O_RDONLY)
    except OSError:
        return None

    try:
        # A shared lock is refused exactly while a service has the exclusive one.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_process(handle)
    finally:
        os.close(handle)

    return None


def _read_process(handle: int) -> str:
    # The file is empty between the creation and the first write.
    return os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
