"""Storing a file that changes while an attempt runs, for the attempts that may follow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.kinds.base import Context
from spaces.errors import PathfitError

_INTERVAL = 0.1


class Checkpointing:
    """Stores a checkpoint at every call before which its file was replaced.

    Args:
        context: Context of the attempt.
        path: File of the checkpoint.
        settings: File without which the checkpoint is useless and which does not change; it is
            stored before the first checkpoint.
    """

    def __init__(self, context: Context, path: Path, settings: Path):
        self._context = context
        self._path = path
        self._settings = settings
        self._stored: tuple[int, int] | None = None

    def __call__(self) -> None:
        """Store the checkpoint if it is a new one; raises ArtifactFailed."""
        try:
            # Polled rather than signalled: the command that writes the file knows nothing of the
            # service.
            status = self._path.stat()
        except FileNotFoundError:
            return

        # A file that is written next to the old one and renamed has a new inode, even within the
        # resolution of the clock.
        version = (status.st_mtime_ns, status.st_ino)
        if version == self._stored:
            return
        # The settings first: a checkpoint that exists must be usable.
        if self._stored is None:
            self._context.store_checkpoint(self._settings)

        self._context.store_checkpoint(self._path)
        self._stored = version

    @contextmanager
    def in_background(self, on_error: Callable[[PathfitError], object]) -> Iterator[None]:
        """Store checkpoints in a thread while the block runs.

        Args:
            on_error: Receives the error that ends the thread.
        """
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_INTERVAL):
                try:
                    self()
                except PathfitError as error:
                    on_error(error)
                    return

        thread = threading.Thread(target=watch, name="checkpointing", daemon=True)
        thread.start()
        try:
            yield
        finally:
            # Only then is the last checkpoint complete, or the error reported.
            ended.set()
            thread.join()
