"""Strict reading of nested JSON objects, with errors that name the path of the key at fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spaces.errors import InvalidFile


class Fields:
    """A JSON object whose fields are taken one by one; every field must be taken before `end`.

    Args:
        value: JSON value.
        path: Position in the file, such as `blocks[3].shortcut`; empty for the file itself.
    """

    def __init__(self, value: Any, path: str = ""):
        if not isinstance(value, Mapping):
            raise InvalidFile(f"{path or 'the file'} must be an object, not {value!r:.60}")
        self._remaining = dict(value)
        self._path = path

    def at(self, key: str) -> str:
        """Return the path of a field."""
        return f"{self._path}.{key}" if self._path else key

    def take(self, key: str) -> Any:
        """Take a field of any kind; raises InvalidFile where it is missing."""
        if key not in self._remaining:
            raise InvalidFile(f"the key {self.at(key)!r} is missing")
        return self._remaining.pop(key)

    def integer(self, key: str, least: int = 1) -> int:
        """Take an integer of at least `least`."""
        value = self.take(key)
        if type(value) is not int or value < least:
            raise InvalidFile(
                f"{self.at(key)} must be an integer of at least {least}, not {value!r:.60}"
            )
        return value

    def optional_integer(self, key: str) -> int | None:
        """Take an integer of at least 1, or null."""
        if self._remaining.get(key, 0) is None:
            del self._remaining[key]
            return None
        return self.integer(key)

    def number(self, key: str) -> float:
        """Take a number from 0 to 1."""
        value = self.take(key)
        if type(value) not in (int, float) or not 0 <= value <= 1:
            raise InvalidFile(f"{self.at(key)} must be a number from 0 to 1, not {value!r:.60}")
        return float(value)

    def flag(self, key: str) -> bool:
        """Take true or false."""
        value = self.take(key)
        if not isinstance(value, bool):
            raise InvalidFile(f"{self.at(key)} must be true or false, not {value!r:.60}")
        return value

    def fixed(self, key: str, *accepted: Any) -> Any:
        """Take a field that must be one of `accepted`."""
        value = self.take(key)
        # The types count too: in Python 1 equals True and 1.0.
        if not any(type(value) is type(other) and value == other for other in accepted):
            alternatives = " or ".join(map(repr, accepted))
            raise InvalidFile(f"{self.at(key)} must be {alternatives}, not {value!r:.60}")
        return value

    def fields(self, key: str) -> Fields:
        """Take a nested object."""
        return Fields(self.take(key), self.at(key))

    def end(self) -> None:
        """Raise InvalidFile for a field that was not taken."""
        for key in self._remaining:
            raise InvalidFile(f"unexpected key {self.at(key)!r}")
