"""The protocol of operators, and their registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from spaces.errors import UnknownName
from spaces.operators.layers import Branch, Shape

if TYPE_CHECKING:
    from spaces.block import Block

Arrangement: TypeAlias = Literal["chain", "shuffle", "sum", "halves"]
"""How the branches of a block meet; see `spaces.modules.blocks`.

chain: `main` alone, and the block's input added where it has a shortcut. shuffle: ShuffleNetV2's
split and concatenation. sum: `main` plus `proj`. halves: `first` on the input and `second` on the
input moved by one pixel, concatenated, between `before` and `behind`.
"""


class Operator(Protocol):
    """Describes the blocks of one operator."""

    arrangement: Arrangement

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        """Branch name -> its layers in order and the shape that enters it."""


_OPERATORS: dict[str, Operator] = {}


def register_operator(name: str, described: Operator) -> None:
    """Add an operator that blocks may name."""
    _OPERATORS[name] = described


def operator(name: str) -> Operator:
    """The operator of this name; raises UnknownName."""
    if name not in _OPERATORS:
        raise UnknownName("operator", name, sorted(_OPERATORS))
    return _OPERATORS[name]
