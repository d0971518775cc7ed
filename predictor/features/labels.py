"""Sets of similar operations, recognised by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PASSING = frozenset({"skip_connect", "skip", "identity"})
"""Operations that return their input."""

_OUTPUT = "output"
# Words such as `conv`, `3x3`, `mbconv3` or `6`; a number in front of "x" is a size of its own.
_WORD = re.compile(r"\d+x\d+|[a-zA-Z]+(?:\d+(?!\d*x\d))?|\d+")


@dataclass(frozen=True)
class Labels:
    """Sets of operations: each operation, those that share a word of their names, and all.

    Operations that return their input have no set of their own. `nor_conv_3x3` and `nor_conv_1x1`
    share `conv`, so that one feature counts convolutions.

    Args:
        names: Names of the sets.
        member: Float array [operations + 1, sets], 1 where an operation (its node label) is in a
            set.
        solid: Node labels of the operations that do not return their input, ascending.
    """

    names: tuple[str, ...]
    member: NDArray[np.float32]
    solid: tuple[int, ...]

    @classmethod
    def from_operations(cls, operations: Sequence[str]) -> Labels:
        """Make the sets of a space's operations; sets with equal members are one."""
        real = [name for name in operations if name != _OUTPUT]
        solid = [name for name in real if name not in PASSING]
        # Members -> name: the first name of equal sets is kept.
        sets: dict[frozenset[str], str] = {frozenset([name]): name for name in solid}
        words = {name: set(_WORD.findall(name)) for name in real}
        for word in sorted(set().union(*words.values())):
            sharing = frozenset(name for name in real if word in words[name])
            # A word that all share distinguishes nothing.
            if len(sharing) < len(real):
                sets.setdefault(sharing, word)

        sets.setdefault(frozenset(solid), "any")

        label_of = {name: index + 1 for index, name in enumerate(operations)}
        member = np.zeros((len(operations) + 1, len(sets)), dtype=np.float32)
        for column, names in enumerate(sets):
            member[[label_of[name] for name in names], column] = 1
        return cls(tuple(sets.values()), member, tuple(label_of[name] for name in solid))

    def weights(self, operation: NDArray[Any]) -> NDArray[np.float32]:
        """Return which sets nodes with the labels `operation` [...] are in, float [..., sets]."""
        weights: NDArray[np.float32] = self.member[operation]
        return weights
