"""Storages that stall: artifacts fail in time, and slow ones are waited for."""

import io
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from service import remote_files
from service.artifacts import ArtifactFailed, Artifacts

STALL_S = 0.3


class StallingFiles(MemoryFileSystem):
    """Files in memory whose storage stops answering until `answering` is set."""

    protocol = "stalling"
    cachable = False
    # Set: it answers.
    answering = threading.Event()
    pause_s = 0.0

    def _wait(self) -> None:
        time.sleep(self.pause_s)
        self.answering.wait(30)

    def info(self, path: str, **options: Any) -> Any:
        self._wait()
        return super().info(path, **options)

    def pipe_file(self, path: str, value: bytes, **options: Any) -> Any:
        self._wait()
        return super().pipe_file(path, value, **options)

    def rm(self, path: str, recursive: bool = False, maxdepth: Any = None) -> None:
        self._wait()
        super().rm(path, recursive, maxdepth)

    def find(self, path: str, *arguments: Any, **options: Any) -> Any:
        self._wait()
        return super().find(path, *arguments, **options)

    def open(self, path: str, mode: str = "rb", *_: Any, **options: Any) -> Any:
        file = super().open(path, mode, **options)
        if mode == "rb":
            # Every reader has its own position; those of files in memory share one.
            return SlowReader(io.BytesIO(file.getvalue()), self._wait)
        return file


class SlowReader:
    def __init__(self, file: Any, wait: Callable[[], None]):
        self._file = file
        self._wait = wait

    def read(self, size: int) -> bytes:
        self._wait()
        return bytes(self._file.read(size))

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def stalling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Artifacts]:
    monkeypatch.setattr(remote_files, "STALL_S", STALL_S)
    fsspec.register_implementation("stalling", StallingFiles, clobber=True)
    StallingFiles.answering.set()
    yield Artifacts(f"stalling://{uuid.uuid4().hex}")
    # Threads that were left end.
    StallingFiles.answering.set()
    StallingFiles.pause_s = 0.0


def test_every_operation_of_a_stalled_storage_fails_in_time(
    stalling: Artifacts, tmp_path: Path
) -> None:
    path = stalling.write("job", 1, "x", b"before")
    StallingFiles.answering.clear()
    operations: list[Callable[[], object]] = [
        lambda: stalling.read(path),
        lambda: stalling.write("job", 1, "y", b"after"),
        lambda: stalling.exists(path),
        lambda: stalling.size(path),
        lambda: stalling.local(path, tmp_path),
        # Another one: a call that was left is carried out once the storage answers again.
        lambda: stalling.remove("other"),
        stalling.paths,
        lambda: stalling.keep(b"an upload"),
    ]
    begin = time.monotonic()
    for operation in operations:
        with pytest.raises(ArtifactFailed, match=r"no answer within 0\.3 s"):
            operation()
    # Far below the 30 s for which each of them would wait by itself.
    assert time.monotonic() - begin < 20

    StallingFiles.answering.set()
    assert stalling.read(path) == b"before"


def test_slow_file_is_read_as_long_as_its_parts_arrive(
    stalling: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "_PART_BYTES", 10)
    monkeypatch.setattr(remote_files, "STALL_S", 5.0)
    content = bytes(range(100))
    path = stalling.write("job", 1, "x", content)
    # Eleven parts, which together take longer than one may.
    StallingFiles.pause_s = 0.5
    assert stalling.read(path) == content


def test_calls_that_were_left_are_bounded(
    stalling: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stalling.write("job", 1, "x", b"content")
    StallingFiles.answering.clear()
    before = threading.active_count()
    monkeypatch.setattr(stalling._files, "_calls", threading.BoundedSemaphore(2))
    for _ in range(4):
        with pytest.raises(ArtifactFailed):
            stalling.read(path)
    assert threading.active_count() - before <= 2
