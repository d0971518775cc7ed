"""Storage of the files of jobs and uploads, in a folder or in any file system of fsspec."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from service.remote_files import RemoteFile, RemoteFiles
from spaces.errors import InvalidFile, PathfitError
from spaces.files import replacing

UPLOADS = "uploads"

CHECKPOINT = "kept-"
"""First part of the name of an artifact that later attempts may resume from."""

FRESH = 3600.0
"""Seconds for which the content of an upload is kept though no version refers to it yet."""

UNWRITTEN = "cannot write the artifact "
"""First words of the message of an artifact that cannot be written."""

# A component of a path; it begins with no dot, so that no path leads out of the storage.
_COMPONENT = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*", re.ASCII)
# Files that `replacing` has not completed.
_INCOMPLETE = ".*.part"


class ArtifactFailed(PathfitError):
    """Raised if an artifact cannot be written, read or removed."""


class MissingArtifact(ArtifactFailed):
    """Raised if an artifact does not exist, or no longer does."""

    def __init__(self, path: str):
        self.path = path
        super().__init__(f"the artifact {path} is gone")


class Artifacts:
    """A storage of artifacts, each under a relative path.

    A job's artifacts are stored under its id and the attempt that made them, so that an attempt
    that is over cannot overwrite those of its successor. Uploads are stored under the SHA-256 of
    their content, so that they never change.

    Args:
        url: A folder, which is created if missing, or an fsspec URL such as `s3://BUCKET/PREFIX`,
            whose storage has to answer in time (`service.remote_files`).

    Raises:
        ArtifactFailed: The kind of storage is unknown, or a package for it is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     artifacts = Artifacts(folder)
        ...     path = artifacts.write("job", 1, "result.json", b"{}")
        ...     content = artifacts.read(path)
        >>> path, content
        ('job/1/result.json', b'{}')
    """

    def __init__(self, url: str | Path):
        import fsspec

        try:
            # Without a cache of listings, as other processes write here too.
            files, self._root = fsspec.core.url_to_fs(str(url), use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ArtifactFailed(f"cannot store artifacts at {url}: {error}") from error

        self.url = str(url)
        is_local = isinstance(files, fsspec.get_filesystem_class("file"))
        self.folder = Path(self._root) if is_local else None
        self._files: Any = files if is_local else RemoteFiles(files)

    # Of jobs

    def write(self, job_id: str, attempt: int, name: str, content: bytes | Path) -> str:
        """Store a file of an attempt, completely or not at all.

        Args:
            job_id: Id of the job.
            attempt: Attempt that made the file.
            name: Name of the file.
            content: Content, or the path of a file with the content.

        Returns:
            Path of the artifact, as `read` takes it.

        Raises:
            ArtifactFailed: The file cannot be written, such as on a full disk.
        """
        return self._put(f"{job_id}/{attempt}/{name}", content)

    def remove(self, job_id: str, attempt: int | None = None) -> None:
        """Remove the artifacts of a job, if any.

        Args:
            job_id: Id of the job.
            attempt: Attempt whose artifacts are removed. None removes those of all attempts.

        Raises:
            ArtifactFailed: An artifact cannot be removed.
        """
        path = job_id if attempt is None else f"{job_id}/{attempt}"
        with suppress(MissingArtifact), self._failing("remove", path):
            self._files.rm(self._full(path), recursive=True)

    def remove_checkpoints(self, job_id: str) -> None:
        """Remove the checkpoints of all attempts of a job that is done; raises ArtifactFailed."""
        with self._failing("list", job_id):
            files = [str(path) for path in self._files.find(self._full(job_id))]
        for path in files:
            if path.rpartition("/")[2].startswith(CHECKPOINT):
                with suppress(MissingArtifact), self._failing("remove", path):
                    self._files.rm_file(path)

    # Of uploads

    def keep(self, content: bytes) -> tuple[str, str]:
        """Store an upload and return its path and its SHA-256; raises ArtifactFailed.

        Equal contents are stored once.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = f"{UPLOADS}/{digest}"
        # Written again where it is old, as `gc` removes old contents that no version refers to yet.
        if not self.exists(path) or self.age(path) > FRESH / 2:
            self._put(path, content)
        return path, digest

    def age(self, path: str) -> float:
        """Return the seconds since an artifact was written; raises as `read`."""
        with self._failing("read", path):
            modified: datetime = self._files.modified(self._full(path))
            return (datetime.now(UTC) - modified).total_seconds()

    def remove_upload(self, path: str) -> None:
        """Remove the content of an upload, if it exists; raises ArtifactFailed."""
        with suppress(MissingArtifact), self._failing("remove", path):
            self._files.rm_file(self._full(path))

    # Of both

    def read(self, path: str) -> bytes:
        """Read an artifact; raises MissingArtifact or ArtifactFailed."""
        with self._failing("read", path):
            return bytes(self._files.cat_file(self._full(path)))

    @contextmanager
    def opened(self, path: str) -> Iterator[IO[bytes] | RemoteFile]:
        """Open an artifact of any size as a file; raises as `read`."""
        with self._failing("read", path), self._files.open(self._full(path), "rb") as file:
            yield file

    def local(self, path: str, folder: Path) -> Path:
        """Return a file on this machine with an artifact's content; raises as `read`.

        Args:
            path: Path of the artifact.
            folder: Folder for a copy, if the storage is not a folder of this machine.
        """
        if self.folder is not None:
            file = Path(self._full(path))
            if not file.is_file():
                raise MissingArtifact(path)
            return file

        copy = folder / path
        if not copy.is_file():
            with (
                self.opened(path) as source,
                replacing(copy) as temporary,
                open(temporary, "wb") as target,
            ):
                shutil.copyfileobj(source, target)

        return copy

    def exists(self, path: str) -> bool:
        """Return whether an artifact exists; raises ArtifactFailed."""
        with self._failing("read", path):
            return bool(self._files.exists(self._full(path)))

    def size(self, path: str) -> int:
        """Return the size of an artifact in bytes; raises as `read`."""
        with self._failing("read", path):
            return int(self._files.size(self._full(path)))

    def paths(self) -> list[str]:
        """List the paths of all artifacts in order, without incomplete files."""
        with self._failing("list", "."):
            files = self._files.find(self._root)
            relative = (str(path)[len(self._root) :].lstrip("/") for path in files)
            return sorted(path for path in relative if not path.rpartition("/")[2].startswith("."))

    def sweep(self) -> None:
        """Remove incomplete files of processes that died; no other process may be writing."""
        for path in self.folder.rglob(_INCOMPLETE) if self.folder is not None else ():
            path.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise ArtifactFailed if no artifact can be written, read or removed."""
        probe = f"check-{os.getpid()}"
        path = self.write(probe, 0, "probe", b"pathfit")
        try:
            if self.read(path) != b"pathfit":
                raise ArtifactFailed(f"artifacts in {self.url} are not read as they were written")
        finally:
            self.remove(probe)

    def _put(self, path: str, content: bytes | Path) -> str:
        full = self._full(path)
        with self._failing("write", path):
            if self.folder is not None:
                with replacing(full) as temporary:
                    if isinstance(content, Path):
                        shutil.copyfile(content, temporary)
                    else:
                        temporary.write_bytes(content)
            elif isinstance(content, Path):
                self._files.put_file(str(content), full)
            else:
                self._files.pipe_file(full, content)

        return path

    def _full(self, path: str) -> str:
        """Return the full path of an artifact; raises ArtifactFailed if it is malformed."""
        if not all(map(_COMPONENT.fullmatch, path.split("/"))):
            raise ArtifactFailed(f"not the path of an artifact: {path!r:.200}")
        return f"{self._root}/{path}"

    @contextmanager
    def _failing(self, verb: str, path: str) -> Iterator[None]:
        """Turn every failure of the block into ArtifactFailed."""
        try:
            yield
        except FileNotFoundError as error:
            if verb == "write":
                raise self._failed(verb, path, error) from error
            # Only reading and removing can miss a file; a write misses its folder.
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
            # Remote file systems have their own classes of errors, such as for credentials.
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
