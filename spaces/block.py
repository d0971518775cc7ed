"""Block: one measurable unit of a network, and the key of a lookup table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from spaces.errors import InvalidBlock
from spaces.operators.layers import Shape, branch_binary_macs, branch_macs


@dataclass(frozen=True)
class Block:
    """An operator with everything that its cost depends on.

    Args:
        operator: Name from `spaces.operators`.
        input: Shape of one image's input features, (channels, height, width); of text (tokens,) or
            (tokens, features).
        output: Shape of the output features, (channels, height, width), (features,) or (tokens,
            features).
        kernel: Side of the (depthwise) kernel in pixels.
        hidden: Number of channels inside the block.
        stride: Stride of the strided convolution.
        activation: Name of the activation.
        expansion: Ratio of the channels inside the block to those of its input.
        groups: Number of groups of its pointwise convolutions.
        dilation: Dilation of the depthwise kernel.
        heads: Number of attention heads.
        vocabulary: Number of different tokens.
        context: Number of positions that a token may have.
        cached: Number of earlier tokens whose keys and values are cached.
        se: Whether it has a squeeze-and-excitation branch.
        shortcut: Whether its input is added to its output.

    Example:
        >>> block = Block("conv", (3, 32, 32), (16, 16, 16), kernel=3, stride=2)
        >>> block.key
        'conv k3 s2 3x32x32 -> 16x16x16'
        >>> block.macs, block.params
        (110592, 464)
        >>> Block.from_key(block.key) == block
        True
    """

    operator: str
    input: Shape
    output: Shape
    kernel: int | None = None
    hidden: int | None = None
    stride: int | None = None
    activation: str | None = None
    expansion: int | None = None
    groups: int | None = None
    dilation: int | None = None
    heads: int | None = None
    vocabulary: int | None = None
    context: int | None = None
    cached: int | None = None
    se: bool = False
    shortcut: bool = False

    @cached_property
    def key(self) -> str:
        """The readable, stable name, such as `mbconv k5 e6 s2 relu6 24x56x56 -> 40x28x28`."""
        numbers = ((letter, getattr(self, field)) for letter, field in _NUMBERS.items())
        words = [
            self.operator,
            *(f"{letter}{number}" for letter, number in numbers if number is not None),
        ]
        if self.activation is not None:
            words.append(self.activation)

        words += [word for word, field in _FLAGS.items() if getattr(self, field)]

        return " ".join([*words, _shape_text(self.input), "->", _shape_text(self.output)])

    @classmethod
    def from_key(cls, key: str) -> Block:
        """Parse a key.

        Raises:
            InvalidBlock: The text is not the key of a block.
            UnknownName: The operator is unknown.
        """
        # Imported here: the operators import this module for their annotations.
        from spaces.operators import operator

        fault = InvalidBlock(
            f"not a block: {key!r}; one reads like 'shuffle k5 m32 s2 relu 16x112x112 -> 64x56x56'"
        )
        match = _KEY.fullmatch(key)
        if match is None:
            raise fault

        # All groups are named after the fields of Block.
        fields = match.groupdict()
        # Raises UnknownName for an operator that is not registered.
        operator(fields["operator"])
        numbers = {name: int(fields[name]) if fields[name] else None for name in _NUMBERS.values()}
        block = cls(
            fields["operator"],
            tuple(map(int, fields["input"].split("x"))),
            tuple(map(int, fields["output"].split("x"))),
            activation=fields["activation"],
            se=fields["se"] is not None,
            shortcut=fields["shortcut"] is not None,
            **numbers,
        )

        # Such as k05: two keys of one block would be two rows of a lookup table.
        if block.key != key:
            raise fault

        return block

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of the convolution and linear layers for one image."""
        from spaces.operators import operator

        branches = operator(self.operator).branches(self).values()
        return sum(branch_macs(*branch) for branch in branches)

    @cached_property
    def binary_macs(self) -> int:
        """Multiply-accumulates of signs for one image, which `macs` does not include."""
        from spaces.operators import operator

        branches = operator(self.operator).branches(self).values()
        return sum(branch_binary_macs(*branch) for branch in branches)

    @cached_property
    def params(self) -> int:
        """Number of learned parameters, including scale and shift of batch normalisation."""
        from spaces.operators import operator

        branches = operator(self.operator).branches(self).values()
        return sum(layer.params() for layers, _ in branches for layer in layers)

    def __str__(self) -> str:
        return self.key


def _shape_text(shape: Shape) -> str:
    return "x".join(map(str, shape))


_NUMBERS = {
    "k": "kernel",
    "e": "expansion",
    "m": "hidden",
    "g": "groups",
    "d": "dilation",
    "s": "stride",
    "h": "heads",
    "v": "vocabulary",
    "l": "context",
    "c": "cached",
}
"""Letter in the key -> field, in the order of the key."""

_FLAGS = {"se": "se", "skip": "shortcut"}
"""Word in the key -> field."""

# The lookahead keeps the activation from matching a number such as s2, or a flag.
_KEY = re.compile(
    r"(?P<operator>[a-z][a-z0-9_-]*)"
    + "".join(rf"(?: {letter}(?P<{field}>\d+))?" for letter, field in _NUMBERS.items())
    + rf"(?: (?!(?:[{''.join(_NUMBERS)}]\d+|{'|'.join(_FLAGS)}) )(?P<activation>[a-z][a-z0-9_]*))?"
    + "".join(rf"(?P<{field}> {word})?" for word, field in _FLAGS.items())
    + r" (?P<input>\d+(?:x\d+)*) -> (?P<output>\d+(?:x\d+)*)"
)
