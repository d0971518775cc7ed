"""Reading of pickle files of plain containers and numbers; anything else is refused."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from spaces.errors import InvalidFile

Admitted: TypeAlias = Mapping[tuple[str, str], Callable[..., Any]]
"""(module, name) that a file may refer to -> the function that is called in its place."""

# Opcodes that state an index of the memo, which could demand any amount of memory.
_MEMO = {"PUT", "BINPUT", "LONG_BINPUT"}


def load_plain(path: str | Path, admitted: Admitted | None = None) -> Any:
    """Read a pickle file of dicts, lists, tuples, sets, text, numbers and None.

    Args:
        path: File to read.
        admitted: Further classes and functions that the file may refer to; None: no others.

    Raises:
        InvalidFile: The file cannot be read, is no pickle, or refers to a class or function that is
            not admitted, which is named.
    """
    try:
        return loads_plain(Path(path).read_bytes(), str(path), admitted)
    except OSError as error:
        raise InvalidFile(f"cannot read {path}: {error.strerror}") from error


def loads_plain(
    content: bytes, name: str, admitted: Admitted | None = None, *, encoding: str = "ASCII"
) -> Any:
    """Read the content of a pickle file; raises like `load_plain`.

    Args:
        content: Content of the file.
        name: Name of the file, for errors.
        admitted: Further classes and functions that the file may refer to; None: no others.
        encoding: Encoding of Python 2's text; `bytes` leaves it as bytes.
    """
    try:
        _check_memo(content)
        return _PlainUnpickler(io.BytesIO(content), admitted or {}, encoding).load()
    except InvalidFile as error:
        raise InvalidFile(f"{name}: {error}") from error
    except (
        # The unpickler raises any of these for bytes that are no pickle.
        *(
            pickle.UnpicklingError,
            EOFError,
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            AttributeError,
        ),
        *(OverflowError, MemoryError, RecursionError, UnicodeDecodeError),
    ) as error:
        raise InvalidFile(f"{name}: not a pickle file of plain values") from error


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, admitted: Admitted, encoding: str):
        super().__init__(file, encoding=encoding)
        self.admitted = admitted

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) in self.admitted:
            return self.admitted[module, name]
        raise InvalidFile(
            f"refused to load {module}.{name}; only plain containers and numbers are read"
        )

    def persistent_load(self, pid: Any) -> NoReturn:
        raise InvalidFile(f"refused to load the persistent object {pid!r:.60}")


def _check_memo(content: bytes) -> None:
    # The unpickler allocates a memo as long as the largest index: a few bytes could take gigabytes.
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _MEMO and isinstance(argument, int) and argument > len(content):
            raise InvalidFile(f"the memo index {argument} is out of range")
