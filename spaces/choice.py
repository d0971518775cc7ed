"""A decision that a search space leaves open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from spaces.errors import InvalidArchitecture


@dataclass(frozen=True)
class Choice:
    """An ordered set of candidates, of which an architecture takes one.

    Args:
        key: the choice's name, such as `layer_1`.
        candidates: the candidates' names; their order gives the codes.
    """

    key: str
    candidates: tuple[str, ...]

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.candidates)}

    def code(self, candidate: object) -> int:
        """The code of a candidate given by name; raises InvalidArchitecture with the names that exist."""
        if not isinstance(candidate, str) or candidate not in self._codes:
            known = ", ".join(self.candidates)
            raise InvalidArchitecture(f"{self.key}: unknown candidate {candidate!r}; there is: {known}")
        return self._codes[candidate]


def check_keys(choices: Iterable[Choice], given: Iterable[object]) -> None:
    """Raise InvalidArchitecture that names the first choice missing from `given`, or unexpected in it."""
    known, present = [choice.key for choice in choices], list(given)
    for key in known:
        if key not in present:
            raise InvalidArchitecture(f"the choice {key!r} is missing")
    for name in present:
        if name not in known:
            raise InvalidArchitecture(f"unexpected choice {name!r}; the choices are {known[0]} ... {known[-1]}")
