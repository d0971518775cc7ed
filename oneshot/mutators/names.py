"""Names of a model's choices: each is found by its key, its path and NNI's automatic key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from spaces.modules.mutable import Mutable

V = TypeVar("V")
T = TypeVar("T")

_AUTOMATIC = re.compile(r"([A-Za-z_]\w*?)(\d+)")


class ByName(dict[str, V]):
    """A dictionary over choices whose lookups accept every name of a choice.

    Args:
        values: Values by the names that iteration yields.
        aliases: Further name -> name in `values`.

    Example:
        >>> masks = ByName({"LayerChoice1": True}, {"stem": "LayerChoice1"})
        >>> masks["stem"], "stem" in masks, list(masks)
        (True, True, ['LayerChoice1'])
    """

    def __init__(self, values: Mapping[str, V], aliases: Mapping[str, str]):
        super().__init__(values)
        self.aliases = dict(aliases)

    def __missing__(self, name: str) -> V:
        if name not in self.aliases or not super().__contains__(self.aliases[name]):
            raise KeyError(name)
        return self[self.aliases[name]]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or super().__contains__(self.aliases.get(str(name)))

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a choice by any of its names, or the default."""
        try:
            return self[name]
        except KeyError:
            return default


class ChoiceNames:
    """Names of the choices of a model, which `choice.key` identifies.

    Args:
        groups: Mutables of each choice, by `choice.key`.
    """

    def __init__(self, groups: Mapping[str, Sequence[Mutable]]):
        self.keys = {name: mutables[0].key for name, mutables in groups.items()}
        self._unkeyed = {
            name: mutables[0] for name, mutables in groups.items() if not mutables[0].keyed
        }

        # Keys come last: a given key wins over an automatic one of the same text.
        self.aliases = self._automatic() | {key: name for name, key in self.keys.items()}

    def _automatic(self) -> dict[str, str]:
        """Return automatic key -> choice, without the keys that several choices have."""
        automatic = [(mutable.automatic_key, name) for name, mutable in self._unkeyed.items()]
        keys = [key for key, _ in automatic]
        return {key: name for key, name in automatic if keys.count(key) == 1}

    def internal(self, values: Mapping[str, V]) -> ByName[V]:
        """Return values by `choice.key`, found by every name; unknown names stay as they are.

        Names of NNI's counter for all choices without a key are matched in the order of their
        numbers, so that they need not begin with 1.

        Args:
            values: Values by any names.
        """
        matched = self._match_numbers(values)
        by_choice = {
            name if name in self.keys else matched.get(name, self.aliases.get(name, name)): value
            for name, value in values.items()
        }
        return ByName(by_choice, self.aliases)

    def external(self, values: Mapping[str, V]) -> ByName[V]:
        """Return values by the mutables' keys, found by every name.

        Args:
            values: Values by `choice.key`.
        """
        aliases = {alias: self.keys[name] for alias, name in self.aliases.items()} | self.keys
        return ByName({self.keys[name]: value for name, value in values.items()}, aliases)

    def _match_numbers(self, names: Iterable[str]) -> dict[str, str]:
        """Return name of NNI's counter -> choice, where all of a kind are there."""
        known = {*self.keys, *self.keys.values()}
        numbered: dict[str, list[tuple[int, str]]] = {}
        for name in names:
            match = _AUTOMATIC.fullmatch(name)
            if match is not None and (name not in known or name in self._automatic_names):
                numbered.setdefault(match[1], []).append((int(match[2]), name))

        matched: dict[str, str] = {}
        for kind, entries in numbered.items():
            # NNI counts mutables of a kind in the order in which they are constructed.
            choices = [
                name
                for name, mutable in sorted(
                    self._unkeyed.items(), key=lambda item: item[1].construction_order
                )
                if type(mutable).__name__ == kind
            ]

            # Numbers alone match only where every mutable of the kind is present.
            if len(entries) == len(choices):
                matched |= zip((name for _, name in sorted(entries)), choices, strict=True)

        return matched

    @property
    def _automatic_names(self) -> set[str]:
        return {mutable.automatic_key for mutable in self._unkeyed.values()}
