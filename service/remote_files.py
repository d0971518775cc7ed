"""Remote file systems that answer in time or fail: a storage that stalls must not hold a request.

The libraries of remote storages wait for minutes, and try again for longer, where a server accepts
connections and answers nothing. Each call runs in a thread here and is left when it is late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

STALL_S = 15.0
"""Seconds that an answer, or the next part of a file, may take."""

SLOWEST_BYTES_PER_S = 1e6
"""Rate at which a file must at least be written, beyond `STALL_S`."""

_PART_BYTES = 4 << 20
# Calls at once, those that were left included: a thread ends only when its library gives up.
_MAX_CALLS = 64

P = ParamSpec("P")
T = TypeVar("T")


class RemoteFiles:
    """The methods of an fsspec file system that artifacts need, each with a deadline.

    Every method raises TimeoutError if the storage is late, and otherwise what the file system
    raises.

    Args:
        files: The file system.

    Example:
        >>> import fsspec
        >>> files = RemoteFiles(fsspec.filesystem("memory"))
        >>> files.pipe_file("/greeting", b"hello")
        >>> files.cat_file("/greeting")
        b'hello'
    """

    def __init__(self, files: Any):
        self._files = files
        self._calls = threading.BoundedSemaphore(_MAX_CALLS)

    def exists(self, path: str) -> bool:
        """Return whether there is a file or a folder."""
        return bool(self._call(STALL_S, self._files.exists, path))

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        return int(self._call(STALL_S, self._files.size, path))

    def modified(self, path: str) -> Any:
        """Return the time at which a file was written."""
        return self._call(STALL_S, self._files.modified, path)

    def find(self, path: str) -> list[str]:
        """List the paths of all files below a folder."""
        return list(self._call(STALL_S, self._files.find, path))

    def rm(self, path: str, recursive: bool = False) -> None:
        """Remove a file or a folder."""
        self._call(STALL_S, self._files.rm, path, recursive=recursive)

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        self._call(STALL_S, self._files.rm_file, path)

    def pipe_file(self, path: str, content: bytes) -> None:
        """Write a file."""
        seconds = STALL_S + len(content) / SLOWEST_BYTES_PER_S
        self._call(seconds, self._files.pipe_file, path, content)

    def put_file(self, source: str, path: str) -> None:
        """Write a file with the content of a local one."""
        seconds = STALL_S + Path(source).stat().st_size / SLOWEST_BYTES_PER_S
        self._call(seconds, self._files.put_file, source, path)

    def cat_file(self, path: str) -> bytes:
        """Read a file; the deadline is that of each of its parts."""
        with self.open(path) as file:
            return file.read()

    def open(self, path: str, mode: str = "rb") -> RemoteFile:
        """Open a file for reading."""
        return RemoteFile(self._call(STALL_S, self._files.open, path, mode), self._call)

    def _call(
        self, seconds: float, function: Callable[P, T], *arguments: P.args, **options: P.kwargs
    ) -> T:
        """Call a function in a thread, and leave it when it is late."""
        outcome = SimpleQueue[tuple[bool, Any]]()
        calls = self._calls

        def work() -> None:
            try:
                outcome.put((True, function(*arguments, **options)))
            # Raised again in the thread that waits.
            except BaseException as error:
                outcome.put((False, error))
            finally:
                calls.release()

        late = TimeoutError(f"no answer within {seconds:.3g} s")
        if not calls.acquire(timeout=seconds):
            raise late
        # A daemon, so that a call that was left does not keep the process alive.
        threading.Thread(target=work, name="remote-files", daemon=True).start()
        try:
            is_done, value = outcome.get(timeout=seconds)
        except Empty:
            raise late from None
        if not is_done:
            raise value
        result: T = value
        return result


class RemoteFile:
    """A remote file that is read part by part, each with a deadline.

    Args:
        file: The open file.
        call: Calls a function with a deadline.
    """

    def __init__(self, file: Any, call: Callable[..., Any]):
        self._file = file
        self._call = call

    def read(self, size: int = -1) -> bytes:
        """Read bytes; all that remain if the size is negative."""
        if size >= 0:
            return bytes(self._call(STALL_S, self._file.read, size))
        parts = []
        while part := self.read(_PART_BYTES):
            parts.append(part)
        return b"".join(parts)

    def __enter__(self) -> RemoteFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A file that is read has nothing left to send when it is closed.
        self._file.close()
