"""Architecture: one point of a search space."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.errors import InvalidArchitecture, InvalidParameter, UnknownName
from spaces.files import read_text


@dataclass(frozen=True)
class Architecture:
    """An immutable, hashable selection of one candidate for every choice of a space.

    Args:
        space: Canonical name of the space, such as `spos` or `spos(input_size=160)`.
        items: Pairs (choice, candidate) in the order of the space's choices.

    Example:
        >>> import spaces
        >>> architecture = spaces.get("nasbench201").architecture([3, 3, 3, 1, 3, 2])
        >>> architecture["edge_0_1"]
        'nor_conv_3x3'
        >>> spaces.Architecture.from_json(architecture.to_json()) == architecture
        True
    """

    space: str
    items: tuple[tuple[str, str], ...]

    @property
    def choices(self) -> dict[str, str]:
        """A new mapping choice -> candidate."""
        return dict(self.items)

    def __getitem__(self, choice: str) -> str:
        return self.choices[choice]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items)

    def to_dict(self) -> dict[str, object]:
        """Return the architecture as a JSON object."""
        return {"space": self.space, "choices": self.choices}

    def to_json(self) -> str:
        """Return the architecture as one line of JSON, which `from_json` reads."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, value: object) -> Architecture:
        """Read the object that `to_dict` returns and check it against its space.

        Raises:
            InvalidArchitecture: A key is missing, unexpected or of the wrong kind.
            UnknownName: The space does not exist.
        """
        # Imported here: the registry imports the spaces, which import this module.
        from spaces.registry import get

        if not isinstance(value, Mapping):
            raise InvalidArchitecture(
                f"an architecture is an object with 'space' and 'choices', not {value!r:.60}"
            )

        for key in ("space", "choices"):
            if key not in value:
                raise InvalidArchitecture(f"the architecture lacks the key {key!r}")

        space = value["space"]
        choices = value["choices"]
        if not isinstance(space, str):
            raise InvalidArchitecture(
                f"the architecture's 'space' must be a name, not {space!r:.60}"
            )
        if not isinstance(choices, Mapping):
            raise InvalidArchitecture(
                f"the architecture's 'choices' must map choices to candidates, not {choices!r:.60}"
            )

        return get(space).architecture(choices)

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read the JSON that `to_json` writes; raises the errors of `from_dict`."""
        return cls.from_dict(_parse_json(text))

    @classmethod
    def read(cls, path: str | Path) -> Architecture:
        """Read an architecture from a JSON file; errors name the file."""
        try:
            return cls.from_json(read_text(path))
        except (InvalidArchitecture, InvalidParameter, UnknownName) as error:
            raise InvalidArchitecture(f"{path}: {error}") from error


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidArchitecture(f"not JSON: {error}") from error
