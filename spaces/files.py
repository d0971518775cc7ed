"""Writing files so that an interruption leaves the old content whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spaces.errors import InvalidFile


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes `path`'s place when the block ends without
    an error.

    Raises:
        InvalidFile: the folder cannot be written to, or `path` is itself a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise InvalidFile(f"cannot write {path}: it is a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InvalidFile(f"cannot write {path}: {error.strerror}") from error
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o666 & ~_umask())
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path`, all or nothing."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def read_text(path: str | Path) -> str:
    """Read a text file; raises InvalidFile with the reason where that fails."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InvalidFile(f"cannot read {path}: {reason}") from error


def digest(path: str | Path) -> str:
    """SHA-256 of a file in hexadecimal; raises InvalidFile where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidFile(f"cannot read {path}: {error.strerror}") from error


def _umask() -> int:
    # The umask can only be read by setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
