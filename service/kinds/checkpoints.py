"""Keeping: a file that changes while an attempt runs is kept for those that may follow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.kinds.base import Context
from spaces.errors import PathfitError

_LOOK = 0.1


class Keeping:
    """Keeps a file at every call if it was replaced since the last.

    Args:
        context: of the attempt.
        path: the file.
        before: one that belongs to it and does not change; kept before it, once.
    """

    def __init__(self, context: Context, path: Path, before: Path):
        self._context, self._path, self._before = context, path, before
        self._seen: tuple[int, int] | None = None

    def __call__(self) -> None:
        """Keep the file if it is another one; raises ArtifactFailed."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return
        seen = (status.st_mtime_ns, status.st_ino)
        if seen == self._seen:
            return
        if self._seen is None:
            self._context.keep(self._before)
        self._context.keep(self._path)
        self._seen = seen

    @contextmanager
    def throughout(self, failed: Callable[[PathfitError], object]) -> Iterator[None]:
        """Within the block, have a thread call this again and again; `failed` hears why it
        cannot.
        """
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK):
                try:
                    self()
                except PathfitError as error:
                    failed(error)
                    return

        thread = threading.Thread(target=watch, name="keeping", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
