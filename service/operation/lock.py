"""FolderLock: one service a data folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from spaces.errors import PathfitError

PATIENCE = 3.0
"""Seconds to wait for a service that is just ending: its parts notice the others' death within
about a second.
"""


class FolderInUse(PathfitError):
    """Another service uses the data folder."""


class FolderLock:
    """Holds a data folder for as long as this process and its forks live.

    Args:
        folder: the data folder; made where absent.
        patience: seconds to wait for the lock.

    Raises:
        FolderInUse: another service holds it.
    """

    def __init__(self, folder: Path, patience: float = PATIENCE):
        path = folder / "service.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise FolderInUse(f"cannot use the data folder {folder}: {error.strerror}") from error
        deadline = time.monotonic() + patience
        while not self._taken():
            if time.monotonic() >= deadline:
                process = _written(self._handle)
                self.release()
                raise FolderInUse(
                    f"the data folder {folder} is in use by another service (process {process}); "
                    "stop that one, or choose another folder with --data; "
                    "services with a folder each can share jobs in PostgreSQL with --database"
                )
            time.sleep(0.05)
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let the folder go."""
        os.close(self._handle)


def holder(folder: Path) -> str | None:
    """The process that holds a data folder; None where nobody does."""
    try:
        handle = os.open(folder / "service.lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(handle)
    finally:
        os.close(handle)
    return None


def _written(handle: int) -> str:
    """The process that wrote itself into a lock's file."""
    return os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
