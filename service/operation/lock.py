"""The lock that only one service at a time uses a data folder."""

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
            self._handle = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise FolderInUse(f"cannot use the data folder {folder}: {error.strerror}") from error

        deadline = time.monotonic() + patience

        # flock belongs to the open file: forks inherit it, and the kernel frees it when the last of
        # them dies.
        while not self._acquire():
            if time.monotonic() >= deadline:
                process = _read_process(self._handle)
                self.release()
                raise FolderInUse(
                    f"the data folder {folder} is in use by another service (process {process}); "
                    "stop that one, or choose another folder with --data; "
                    "services with a folder each can share jobs in PostgreSQL with --database"
                )
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
        """Release the folder."""
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
