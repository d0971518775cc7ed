"""Writing files so that an interruption loses nothing that was complete, and reading them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from spaces.errors import InvalidFile

MOST_UNPACKED = 1 << 30
"""Most bytes that a compressed text file may unpack to."""

# First bytes of a gzip file.
_GZIP = b"\x1f\x8b"


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces `path` when the block ends without error.

    Raises:
        InvalidFile: The folder cannot be written to, or `path` is itself a folder.
    """
    path = Path(path)
    _refuse_folder(path)
    try:
        # The temporary file is in the same folder: replacing works within a file system only.
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InvalidFile(f"cannot write {path}: {error.strerror}") from error

    os.close(handle)

    temporary = Path(name)
    try:
        yield temporary

        # A temporary file is private; the result has the permissions of any new file.
        temporary.chmod(0o666 & ~_umask())
        # The content must be on the disk before the name is, or a power cut leaves an empty file.
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())

        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable_file(path: str | Path) -> None:
    """Check that a file could be written or replaced, before the work that it is to hold.

    Nothing remains on the disk, and no folder is made.

    Args:
        path: File to write. Neither it nor its folder need exist.

    Raises:
        InvalidFile: The file cannot be written; path and reason are named.
    """
    path = Path(path)
    _refuse_folder(path)
    _try_writing(path, path.parent, path.name)


def check_writable_folder(path: str | Path) -> None:
    """Check that files could be written to a folder, before the work that they are to hold.

    Nothing remains on the disk, and no folder is made.

    Args:
        path: Folder. It need not exist.

    Raises:
        InvalidFile: The folder cannot be made or written to; path and reason are named.
    """
    _try_writing(Path(path), Path(path), "")


def _refuse_folder(path: Path) -> None:
    try:
        is_folder = path.is_dir()
    except OSError as error:
        # The name is too long, for instance.
        raise InvalidFile(f"cannot write {path}: {error.strerror}") from error

    if is_folder:
        raise InvalidFile(f"cannot write {path}: it is a folder")


def _try_writing(path: Path, folder: Path, name: str) -> None:
    """Write a temporary file to the nearest folder that exists, as `replacing` would."""
    # Not Path.exists, which raises where a name is too long.
    while not os.path.lexists(folder):
        folder = folder.parent

    try:
        # A real file: permissions alone do not show a file system that is read-only, or full.
        with tempfile.NamedTemporaryFile(prefix=f".{name}.", suffix=".part", dir=folder):
            pass
    except OSError as error:
        raise InvalidFile(f"cannot write {path}: {error.strerror}") from error


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` completely or not at all, compressed where the name ends in .gz."""
    with replacing(path) as temporary:
        if Path(path).suffix.lower() == ".gz":
            # Without the time of day, so that the same text gives the same bytes.
            temporary.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
        else:
            temporary.write_text(text, encoding="utf-8")


def read_text(path: str | Path) -> str:
    """Read a text file, compressed by gzip or not, without the mark that Windows puts first.

    Raises:
        InvalidFile: The file cannot be read; the reason is named.
    """
    try:
        content = Path(path).read_bytes()
        # By the content rather than the suffix: downloads often lose or gain a .gz.
        if content.startswith(_GZIP):
            content = _unpack(content)
        text = content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InvalidFile(f"cannot read {path}: {_reason(error)}") from error

    return _universal_newlines(text)


def text_suffix(path: str | Path) -> str:
    """Return the suffix of a text file in lower case, without that of its compression.

    Example:
        >>> text_suffix("latencies.CSV.gz")
        '.csv'
    """
    path = Path(path)
    return Path(path.stem if path.suffix.lower() == ".gz" else path).suffix.lower()


def text_stem(path: str | Path) -> str:
    """Return the name of a text file without `text_suffix` and that of its compression.

    Example:
        >>> text_stem("phones/latencies.csv.gz")
        'latencies'
    """
    path = Path(path)
    return Path(path.stem if path.suffix.lower() == ".gz" else path).stem


def is_compressed(path: str | Path) -> bool:
    """Return whether a file is compressed by gzip; of a new file its name decides."""
    path = Path(path)
    if not path.is_file():
        return path.suffix.lower() == ".gz"
    with open(path, "rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def read_unpacked(file: io.BufferedIOBase, most: int) -> bytes:
    """Read a compressed file to its end.

    Args:
        file: File that unpacks as it is read, such as a `gzip.GzipFile`.
        most: Most bytes that it may unpack to: a small file could unpack to terabytes.

    Raises:
        OSError: It unpacks to more bytes.
    """
    unpacked = bytearray()
    # In pieces, because a single read of so many bytes would allocate them at once.
    while piece := file.read(1 << 20):
        unpacked += piece
        if len(unpacked) > most:
            raise OSError(f"it unpacks to more than {most} bytes")

    return bytes(unpacked)


def _unpack(content: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        return read_unpacked(file, MOST_UNPACKED)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"it cannot be unpacked: {error}"


def _universal_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


class JsonLines:
    """A file of JSON values, one per line, that grows durably.

    A process that is killed while it appends can tear only the last line. A torn line is ignored
    when the file is read and removed before the next line is appended.

    Args:
        path: File to read and to append to. It need not exist. A file that gzip compressed is read,
            but not appended to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     journal = JsonLines(Path(folder) / "journal.jsonl")
        ...     journal.append('{"trial": 1}')
        ...     journal.lines()
        [(1, '{"trial": 1}')]
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def lines(self) -> list[tuple[int, str]]:
        """Return the number, counted from 1, and the text of every complete line that is not blank.

        Raises:
            InvalidFile: The file exists but cannot be read.
        """
        if not self.path.exists():
            return []
        complete, tail = self._split()
        numbered = list(enumerate([*complete.splitlines(), tail], 1))
        return [(number, line) for number, line in numbered if line.strip()]

    def append(self, line: str) -> None:
        """Append one line and wait until it is on the disk.

        Args:
            line: JSON text without a line break.

        Raises:
            InvalidFile: The file is compressed.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.repair()
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def repair(self) -> None:
        """Remove a torn last line, for readers that expect complete lines only.

        Raises:
            InvalidFile: The file is compressed, so that no line can be appended.
        """
        # A killed process would tear the compressed stream, and with it more than one line.
        if is_compressed(self.path):
            raise InvalidFile(
                f"cannot append to {self.path}: it is compressed; decompress it, or name a file"
                " without .gz"
            )

        if not self.path.exists() or self._is_terminated():
            return

        complete, tail = self._split()

        # An editor may leave out the last line break: a complete value after it is no torn line.
        write_text(self.path, complete + (tail + "\n" if tail else ""))

    def _split(self) -> tuple[str, str]:
        """Return the terminated lines, and the text after them where that is a complete value."""
        text = read_text(self.path)
        end = text.rfind("\n") + 1
        tail = text[end:]
        return text[:end], tail if _is_json(tail) else ""

    def _is_terminated(self) -> bool:
        # Only the last byte is read, so that the cost of appending does not grow with the file.
        with open(self.path, "rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def digest(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises:
        InvalidFile: The file cannot be read; the reason is named.
    """
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
