"""Repeat: blocks one after the other, of which the first few are executed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from spaces.choice import Values
from spaces.errors import InvalidParameter
from spaces.modules.mutable import Mutable


class Repeat(Mutable):
    """A block that is repeated a variable number of times (NNI's name and meaning).

    Args:
        blocks: a module, which is copied; a function of the index 0, 1, ... that makes one; or a
            list of `max` of these, of which the first `depth` are executed.
        depth: (min, max), both included; or a fixed number.
        key: the choice's key; equal keys share a decision. Default: the module's path in the model.
            Mutables in the blocks get keys by their own paths, and so decide by themselves; give
            them a key to let them share one.

    Raises:
        InvalidParameter: the depths are not 0 <= min <= max with 1 <= max, or the list has another
            length.
    """

    takeover = "on_forward_repeat"
    choice: Values

    def __init__(
        self,
        blocks: nn.Module
        | Callable[[int], nn.Module]
        | Sequence[nn.Module | Callable[[int], nn.Module]],
        depth: int | tuple[int, int],
        key: str | None = None,
    ):
        least, most = (depth, depth) if isinstance(depth, int) else depth
        what = key or "a Repeat"
        if not 0 <= least <= most or most < 1:
            raise InvalidParameter(
                f"{what}: depth is (min, max) with 0 <= min <= max and 1 <= max, not {depth}"
            )
        depths = tuple(range(least, most + 1))
        super().__init__(Values(key or "", tuple(map(str, depths)), depths))
        if isinstance(blocks, Sequence | nn.ModuleList) and len(blocks) != most:
            raise InvalidParameter(
                f"{what}: a list of blocks has as many as the greatest depth, {most}"
            )
        self.blocks = nn.ModuleList(_made(blocks, most))

    def _run(self, code: int, *inputs: Any, **options: Any) -> Any:
        return self.run(self.choice.values[code], *inputs)

    def run(self, depth: int, x: Any) -> Any:
        """The output of the first `depth` blocks; what a mutator calls."""
        for block in self.blocks[:depth]:
            x = block(x)
        return x

    def codes_running(self, path: str) -> frozenset[int]:
        """The codes whose depth reaches the block that the part at `path` belongs to."""
        holder, _, rest = path.partition(".")
        if holder != "blocks" or not rest:
            return super().codes_running(path)
        index = int(rest.split(".")[0])
        return frozenset(code for code, depth in enumerate(self.choice.values) if depth > index)

    def frozen(self, code: int) -> nn.Module:
        """The blocks that are executed, one after the other."""
        return nn.Sequential(*self.blocks[: self.choice.values[code]])


def _made(blocks: Any, most: int) -> list[nn.Module]:
    given = list(blocks) if isinstance(blocks, Sequence | nn.ModuleList) else [blocks] * most
    used: set[int] = set()
    made: list[nn.Module] = []
    for index, block in enumerate(given):
        if isinstance(block, nn.Module):
            made.append(copy.deepcopy(block) if id(block) in used else block)
            used.add(id(block))
        else:
            made.append(block(index))
    return made
