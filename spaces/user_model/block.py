"""ModuleBlock: a block that is a module of the user's own, counted by running it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from spaces.block import Block
from spaces.operators.layers import Shape


@dataclass(frozen=True)
class ModuleBlock(Block):
    """A module that a model calls as a whole, or what a module with choices does outside its parts.

    Its key cannot be read back into a block: the user's code is not in it. The digest is of the
    classes, their configuration, the shapes of weights, inputs and outputs, and the counts; it is
    equal in every process.

    Args:
        name: the module's class, in small letters.
        digest: eight hexadecimal digits.
        counted_macs: multiply-accumulates for one image.
        counted_params: learned numbers that no block before it has.
    """

    name: str = ""
    digest: str = ""
    counted_macs: int = 0
    counted_params: int = 0

    @cached_property
    def key(self) -> str:
        """The readable, stable name, such as `module basicblock-3f2a91c0 16x32x32 -> 32x16x16`."""
        return (
            f"{self.operator} {self.name}-{self.digest} {_text(self.input)} -> {_text(self.output)}"
        )

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.counted_macs

    @cached_property
    def params(self) -> int:
        """Learned numbers."""
        return self.counted_params


_KEY = re.compile(r"(module|own) \S+-[0-9a-f]{8} [\dx-]+ -> [\dx-]+")


def is_own(key: str) -> bool:
    """Whether a block's key is one of a user's own module."""
    return _KEY.fullmatch(key) is not None


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "-"
