"""One measurable unit of a network, and the key of a lookup table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from spaces.errors import InvalidBlock
from spaces.operators.layers import Shape, branch_macs


@dataclass(frozen=True)
class Block:
    """An operator with all that its cost depends on.

    Args:
        operator: a name from `spaces.operators`.
        input: shape of one image's features, (channels, height, width).
        output: the same behind the block, or (features,).
        kernel: side of the (depthwise) kernel.
        hidden: channels inside the block.
        stride: of the strided convolution.
        activation: name of the activation.
        expansion: channels inside the block over those of its input.
        groups: of its pointwise convolutions.
        dilation: of the depthwise kernel.
        se: whether it squeezes and excites.
        shortcut: whether its input is added to its output.
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
    se: bool = False
    shortcut: bool = False

    @cached_property
    def key(self) -> str:
        """The readable, stable name, such as `mbconv k5 e6 s2 relu6 24x56x56 -> 40x28x28`."""
        numbers = ((letter, getattr(self, field)) for letter, field in _NUMBERS.items())
        parts = [
            self.operator,
            *(f"{letter}{number}" for letter, number in numbers if number is not None),
        ]
        if self.activation is not None:
            parts.append(self.activation)
        parts += [word for word, field in _FLAGS.items() if getattr(self, field)]
        return " ".join([*parts, _shape(self.input), "->", _shape(self.output)])

    @classmethod
    def from_key(cls, key: str) -> Block:
        """Read what `key` wrote.

        Raises:
            InvalidBlock: the text is not a block's key.
            UnknownName: the operator is unknown.
        """
        from spaces.operators import operator

        fault = InvalidBlock(
            f"not a block: {key!r}; one reads like 'shuffle k5 m32 s2 relu 16x112x112 -> 64x56x56'"
        )
        match = _KEY.fullmatch(key)
        if match is None:
            raise fault
        found = match.groupdict()
        operator(found["operator"])
        numbers = {name: int(found[name]) if found[name] else None for name in _NUMBERS.values()}
        block = cls(
            found["operator"],
            tuple(map(int, found["input"].split("x"))),
            tuple(map(int, found["output"].split("x"))),
            activation=found["activation"],
            se=found["se"] is not None,
            shortcut=found["shortcut"] is not None,
            **numbers,
        )
        if block.key != key:  # such as k05: a second spelling would be a second row of a table
            raise fault
        return block

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of the convolution and linear layers for one image."""
        from spaces.operators import operator

        return sum(
            branch_macs(*branch) for branch in operator(self.operator).branches(self).values()
        )

    @cached_property
    def params(self) -> int:
        """Learned numbers, the scale and shift of batch normalisation among them."""
        from spaces.operators import operator

        branches = operator(self.operator).branches(self).values()
        return sum(layer.params() for layers, _ in branches for layer in layers)

    def __str__(self) -> str:
        return self.key


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape))


_NUMBERS = {
    "k": "kernel",
    "e": "expansion",
    "m": "hidden",
    "g": "groups",
    "d": "dilation",
    "s": "stride",
}
"""Letter in the key -> field, in the key's order."""

_FLAGS = {"se": "se", "skip": "shortcut"}
"""Word in the key -> field."""

_KEY = re.compile(
    r"(?P<operator>[a-z][a-z0-9_-]*)"
    + "".join(rf"(?: {letter}(?P<{field}>\d+))?" for letter, field in _NUMBERS.items())
    + rf"(?: (?!(?:[{''.join(_NUMBERS)}]\d+|{'|'.join(_FLAGS)}) )(?P<activation>[a-z][a-z0-9_]*))?"
    + "".join(rf"(?P<{field}> {word})?" for word, field in _FLAGS.items())
    + r" (?P<input>\d+(?:x\d+)*) -> (?P<output>\d+(?:x\d+)*)"
)
