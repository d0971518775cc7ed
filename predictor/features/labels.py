"""What operations have in common, as far as their names tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PASSING = frozenset({"skip_connect", "skip", "identity"})
"""Operations that pass on what they get."""

_OUTPUT = "output"
_WORD = re.compile(r"\d+x\d+|[a-zA-Z]+(?:\d+(?!\d*x\d))?|\d+")


@dataclass(frozen=True)
class Labels:
    """Sets of operations: each that does something by itself, those that share a word of their
    names, and all.

    `nor_conv_3x3` and `nor_conv_1x1` share `conv`; that tells a feature how many convolutions there
    are.

    Args:
        names: of the sets.
        member: float array [operations + 1, sets], 1 where an operation (its node label) is in a
            set.
        solid: the node labels of operations that do something, ascending.
    """

    names: tuple[str, ...]
    member: NDArray[np.float32]
    solid: tuple[int, ...]

    @classmethod
    def of(cls, operations: Sequence[str]) -> Labels:
        """The sets of a space's operations, each of its members once."""
        real = [name for name in operations if name != _OUTPUT]
        solid = [name for name in real if name not in PASSING]
        sets: dict[frozenset[str], str] = {frozenset([name]): name for name in solid}
        words = {name: set(_WORD.findall(name)) for name in real}
        for word in sorted(set().union(*words.values())):
            sharing = frozenset(name for name in real if word in words[name])
            if len(sharing) < len(real):
                sets.setdefault(sharing, word)
        sets.setdefault(frozenset(solid), "any")
        place = {name: index + 1 for index, name in enumerate(operations)}
        member = np.zeros((len(operations) + 1, len(sets)), dtype=np.float32)
        for column, names in enumerate(sets):
            member[[place[name] for name in names], column] = 1
        return cls(tuple(sets.values()), member, tuple(place[name] for name in solid))

    def weights(self, operation: NDArray[Any]) -> NDArray[np.float32]:
        """Float array [..., sets], which sets nodes of labels `operation` [...] are in; -1 is in
        none.
        """
        weights: NDArray[np.float32] = self.member[np.maximum(operation, 0)]
        return weights
