"""Blocks that are modules of a user's own model, counted by running them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from spaces.block import Block
from spaces.operators.layers import Shape


@dataclass(frozen=True)
class ModuleBlock(Block):
    """A module that a model calls, or the computations of a module with choices outside its parts.

    The key cannot be read back into a block, since it does not hold the user's code. The digest
    covers classes, their configuration, the shapes of weights, inputs and outputs, and the counts;
    it is equal in every process.

    Args:
        name: Class of the module, in small letters.
        digest: Eight hexadecimal digits.
        counted_macs: Multiply-accumulates for one image.
        counted_params: Learned numbers that no earlier block has.
    """

    name: str = ""
    digest: str = ""
    counted_macs: int = 0
    counted_params: int = 0

    @cached_property
    def key(self) -> str:
        """Readable, stable name, such as `module basicblock-3f2a91c0 16x32x32 -> 32x16x16`."""
        return (
            f"{self.operator} {self.name}-{self.digest} {_text(self.input)} -> {_text(self.output)}"
        )

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.counted_macs

    @cached_property
    def binary_macs(self) -> int:
        """Multiply-accumulates of signs, which are not counted apart in a user's modules."""
        return 0

    @cached_property
    def params(self) -> int:
        """Learned numbers."""
        return self.counted_params


_KEY = re.compile(r"(module|own) \S+-[0-9a-f]{8} [\dx-]+ -> [\dx-]+")


def is_own(key: str) -> bool:
    """Return whether a key is that of a block of a user's own model."""
    return _KEY.fullmatch(key) is not None


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "-"
