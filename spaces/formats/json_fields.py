"""The fields of nested JSON objects, taken one by one, so that each fault is named with the path of
its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spaces.errors import InvalidFile


class Fields:
    """A JSON object at a path; every field must be taken before `end`.

    Args:
        value: the JSON value.
        path: where it stands, such as `blocks[3].shortcut`; empty for the whole file.
    """

    def __init__(self, value: Any, path: str = ""):
        if not isinstance(value, Mapping):
            raise InvalidFile(f"{path or 'the file'} must be an object, not {value!r:.60}")
        self._left, self._path = dict(value), path

    def at(self, key: str) -> str:
        """The path of a field."""
        return f"{self._path}.{key}" if self._path else key

    def take(self, key: str) -> Any:
        """A field of any kind; raises InvalidFile where it is missing."""
        if key not in self._left:
            raise InvalidFile(f"the key {self.at(key)!r} is missing")
        return self._left.pop(key)

    def integer(self, key: str, least: int = 1) -> int:
        """An integer of at least `least`."""
        value = self.take(key)
        if type(value) is not int or value < least:
            raise InvalidFile(
                f"{self.at(key)} must be an integer of at least {least}, not {value!r:.60}"
            )
        return value

    def optional_integer(self, key: str) -> int | None:
        """An integer of at least 1, or null."""
        if self._left.get(key, 0) is None:
            del self._left[key]
            return None
        return self.integer(key)

    def number(self, key: str) -> float:
        """A number from 0 to 1."""
        value = self.take(key)
        if type(value) not in (int, float) or not 0 <= value <= 1:
            raise InvalidFile(f"{self.at(key)} must be a number from 0 to 1, not {value!r:.60}")
        return float(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.take(key)
        if not isinstance(value, bool):
            raise InvalidFile(f"{self.at(key)} must be true or false, not {value!r:.60}")
        return value

    def fixed(self, key: str, *accepted: Any) -> Any:
        """A field that must be one of `accepted`."""
        value = self.take(key)
        if not any(type(value) is type(known) and value == known for known in accepted):
            known = " or ".join(repr(known) for known in accepted)
            raise InvalidFile(f"{self.at(key)} must be {known}, not {value!r:.60}")
        return value

    def fields(self, key: str) -> Fields:
        """A nested object."""
        return Fields(self.take(key), self.at(key))

    def end(self) -> None:
        """Raise InvalidFile that names a field that was not taken."""
        for key in self._left:
            raise InvalidFile(f"unexpected key {self.at(key)!r}")
