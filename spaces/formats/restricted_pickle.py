"""Pickle files of plain containers and numbers; anything else is refused before it runs."""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, NoReturn

from spaces.errors import InvalidFile

_MEMO = {"PUT", "BINPUT", "LONG_BINPUT"}


def load_plain(path: str | Path) -> Any:
    """The value of a pickle file that holds only dicts, lists, tuples, sets, text, numbers and None.

    Raises:
        InvalidFile: the file cannot be read, is no pickle, or names a class or function, which is named.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InvalidFile(f"cannot read {path}: {error.strerror}") from error
    try:
        _check_memo(content)
        return _PlainUnpickler(io.BytesIO(content)).load()
    except InvalidFile as error:
        raise InvalidFile(f"{path}: {error}") from error
    except (
        # What the unpickler raises for bytes that are no pickle.
        *(pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError),
        *(OverflowError, MemoryError, RecursionError, UnicodeDecodeError),
    ) as error:
        raise InvalidFile(f"{path}: not a pickle file of plain values") from error


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise InvalidFile(f"refused to load {module}.{name}; only plain containers and numbers are read")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise InvalidFile(f"refused to load the persistent object {pid!r:.60}")


def _check_memo(content: bytes) -> None:
    # The unpickler allocates a memo as long as the largest index: a few bytes could ask for gigabytes.
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _MEMO and isinstance(argument, int) and argument > len(content):
            raise InvalidFile(f"the memo index {argument} is out of range")
