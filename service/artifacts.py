"""Artifacts: what jobs leave behind and what was uploaded, in a folder or wherever fsspec
reaches.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from spaces.errors import InvalidFile, PathfitError
from spaces.files import replacing

UPLOADS = "uploads"
UNWRITTEN = "cannot write the artifact "
"""What a sentence on a full disk begins with."""

_PART = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*", re.ASCII)
_HALF = ".*.part"


class ArtifactFailed(PathfitError):
    """An artifact that cannot be written or read; which one and why is told in one sentence."""


class MissingArtifact(ArtifactFailed):
    """An artifact that is not there (any more)."""

    def __init__(self, path: str):
        self.path = path
        super().__init__(f"the artifact {path} is gone")


class Artifacts:
    """A place of artifacts, each under a path that is relative to it.

    A job's lie under its id and the attempt that made them, so that an attempt which is over can do
    no harm; what was uploaded lies under its content's SHA-256, so that it never changes.

    Args:
        url: a folder, made where absent, or an fsspec URL such as `s3://BUCKET/PREFIX`.

    Raises:
        ArtifactFailed: there is no such kind of place, or a package for it is missing.
    """

    def __init__(self, url: str | Path):
        import fsspec

        try:
            # Without a memory of listings: other processes write here too.
            self._files, self._root = fsspec.core.url_to_fs(str(url), use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ArtifactFailed(f"cannot keep artifacts at {url}: {error}") from error
        self.url = str(url)
        self.folder = (
            Path(self._root)
            if isinstance(self._files, fsspec.get_filesystem_class("file"))
            else None
        )

    # Of jobs

    def write(self, job_id: str, attempt: int, name: str, content: bytes | Path) -> str:
        """Keep a file of an attempt, whole or not at all.

        Args:
            job_id: the job's.
            attempt: the one that made it.
            name: the file's.
            content: bytes, or the path of a file with them.

        Returns:
            The path that `read` takes.

        Raises:
            ArtifactFailed: it cannot be written, such as on a full disk.
        """
        return self._put(f"{job_id}/{attempt}/{name}", content)

    def remove(self, job_id: str, attempt: int | None = None) -> None:
        """Remove what an attempt left, or every attempt of a job; what is gone already is no error.

        Raises:
            ArtifactFailed: it cannot be removed.
        """
        path = job_id if attempt is None else f"{job_id}/{attempt}"
        with suppress(MissingArtifact), self._failing("remove", path):
            self._files.rm(self._full(path), recursive=True)

    # Of uploads

    def keep(self, content: bytes) -> tuple[str, str]:
        """Keep an upload; its path and its SHA-256. The same content is kept once; raises
        ArtifactFailed.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = f"{UPLOADS}/{digest}"
        return (path if self.exists(path) else self._put(path, content)), digest

    # Of both

    def read(self, path: str) -> bytes:
        """The content of a path; raises MissingArtifact or ArtifactFailed."""
        with self._failing("read", path):
            return bytes(self._files.cat_file(self._full(path)))

    @contextmanager
    def opened(self, path: str) -> Iterator[IO[bytes]]:
        """A path's content as a file to read from, however long it is; raises as `read`."""
        with self._failing("read", path), self._files.open(self._full(path), "rb") as file:
            yield file

    def local(self, path: str, folder: Path) -> Path:
        """A file with a path's content on this machine: its own, or a copy in `folder`; raises as
        `read`.
        """
        if self.folder is not None:
            if not (found := Path(self._full(path))).is_file():
                raise MissingArtifact(path)
            return found
        copy = folder / path
        if not copy.is_file():
            with (
                self.opened(path) as source,
                replacing(copy) as beside,
                open(beside, "wb") as target,
            ):
                shutil.copyfileobj(source, target)
        return copy

    def exists(self, path: str) -> bool:
        """Whether there is something at a path; raises ArtifactFailed."""
        with self._failing("read", path):
            return bool(self._files.exists(self._full(path)))

    def size(self, path: str) -> int:
        """Bytes of a path's content; raises as `read`."""
        with self._failing("read", path):
            return int(self._files.size(self._full(path)))

    def paths(self) -> list[str]:
        """Every path there is, sorted; half-written files are none."""
        with self._failing("list", "."):
            found = self._files.find(self._root)
            relative = (str(path)[len(self._root) :].lstrip("/") for path in found)
            return sorted(path for path in relative if not path.rpartition("/")[2].startswith("."))

    def sweep(self) -> None:
        """Clear away what those who died while writing left half-written; nobody may be writing."""
        for half in self.folder.rglob(_HALF) if self.folder is not None else ():
            half.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise ArtifactFailed where nothing can be written, read or removed."""
        probe = f"check-{os.getpid()}"
        path = self.write(probe, 0, "probe", b"pathfit")
        try:
            if self.read(path) != b"pathfit":
                raise ArtifactFailed(f"what is written to {self.url} reads back as something else")
        finally:
            self.remove(probe)

    def _put(self, path: str, content: bytes | Path) -> str:
        full = self._full(path)
        with self._failing("write", path):
            if self.folder is not None:
                with replacing(full) as beside:
                    if isinstance(content, Path):
                        shutil.copyfile(content, beside)
                    else:
                        beside.write_bytes(content)
            elif isinstance(content, Path):
                self._files.put_file(str(content), full)
            else:
                self._files.pipe_file(full, content)
        return path

    def _full(self, path: str) -> str:
        """The place of a path; no path leads out of ours."""
        if not all(map(_PART.fullmatch, path.split("/"))):
            raise ArtifactFailed(f"not the path of an artifact: {path!r:.200}")
        return f"{self._root}/{path}"

    @contextmanager
    def _failing(self, verb: str, path: str) -> Iterator[None]:
        """Tell every failure as ArtifactFailed."""
        try:
            yield
        except FileNotFoundError as error:
            if verb == "write":
                raise self._failed(verb, path, error) from error
            raise MissingArtifact(path) from error
        except (ArtifactFailed, GeneratorExit):
            raise
        except InvalidFile as error:
            raise self._failed(verb, path, error.__cause__ or error) from error
        except OSError as error:
            raise self._failed(verb, path, error) from error
        except Exception as error:
            if self.folder is not None:
                raise
            # Each remote place has errors of its own, such as of credentials.
            raise self._failed(verb, path, error) from error

    def _failed(self, verb: str, path: str, error: BaseException) -> ArtifactFailed:
        reason: Any = error.strerror if isinstance(error, OSError) and error.strerror else error
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = (
            "; free some space, for example with: python -m service gc --older-than 30d"
            if full
            else ""
        )
        return ArtifactFailed(f"cannot {verb} the artifact {path} in {self.url}: {reason}{hint}")
