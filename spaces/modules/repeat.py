"""Repeat: consecutive blocks, the first few of which are executed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from spaces.choice import Values
from spaces.errors import InvalidParameter
from spaces.modules.copying import copy_module
from spaces.modules.mutable import Mutable, joined_key
from spaces.modules.shared_input import SharedInput


class Repeat(Mutable):
    """A block that is repeated a variable number of times (as NNI's Repeat).

    Mutables in the blocks get keys by their own paths, so that they decide independently; give them
    a key to let them share a decision.

    Args:
        blocks: Module, which is copied; function of the index 0, 1, ... that makes one; or a list
            of `max` of these, of which the first `depth` are executed.
        depth: Range (min, max) of the depth, both included, or a fixed number.
        key: Key of the choice; equal keys share a decision. None: see `spaces.modules.mutable`.
        label: NNI 2's and 3's name of `key`.

    Raises:
        InvalidParameter: The depths are not 0 <= min <= max with 1 <= max, or the list has another
            length.

    Example:
        >>> stage = Repeat(lambda index: nn.Linear(8, 8), (1, 3), key="depth")
        >>> stage.choice.candidates
        ('1', '2', '3')
        >>> stage.activate("2")
        >>> len(stage.frozen(stage.decided()))
        2
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
        *,
        label: str | None = None,
    ):
        key = joined_key("a Repeat", key, label)
        minimum, maximum = (depth, depth) if isinstance(depth, int) else depth
        description = key or "a Repeat"
        if not 0 <= minimum <= maximum or maximum < 1:
            raise InvalidParameter(
                f"{description}: depth is (min, max) with 0 <= min <= max and 1 <= max, not {depth}"
            )

        depths = tuple(range(minimum, maximum + 1))

        # The choice's candidates are depths, also where the depth is fixed: it then has one.
        super().__init__(Values(key, tuple(map(str, depths)), depths))
        if isinstance(blocks, Sequence | nn.ModuleList) and len(blocks) != maximum:
            raise InvalidParameter(
                f"{description}: a list of blocks has as many as the greatest depth, {maximum}"
            )

        self.blocks = nn.ModuleList(_make_blocks(blocks, maximum))
        self._shared_input = SharedInput()
        self._finish()

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Pass the first argument through the blocks; each takes the other arguments as they are.

        Raises:
            InvalidParameter: There is no positional argument.
        """
        if not inputs:
            raise InvalidParameter(
                f"{self.description}: give the input of the first block as a positional"
                f" argument, not by keyword ({', '.join(options) or 'nothing was given'})"
            )
        return super().forward(*inputs, **options)

    def _run(self, code: int, *inputs: Any, **options: Any) -> Any:
        return self.run(self.choice.values[code], *inputs, **options)

    def run(self, depth: int, x: Any, *inputs: Any, **options: Any) -> Any:
        """Compute the output of the first `depth` blocks; mutators call this.

        Args:
            depth: Number of blocks.
            x: Input of the first block; each other block takes the output of the one before.
            inputs: Further positional arguments, which every block takes.
            options: Keyword arguments, such as a mask, which every block takes.
        """
        for block in self.blocks[:depth]:
            x = block(x, *inputs, **options)
        return x

    def run_isolated(self, first: int, depth: int, x: Any, *inputs: Any, **options: Any) -> Any:
        """Compute consecutive blocks on an input that others read too; it stays unchanged.

        Args:
            first: Index of the first block.
            depth: Index after the last block; `first` for no block.
            x: Input of the first block.
            inputs: Further positional arguments of every block.
            options: Keyword arguments of every block.

        Raises:
            InvalidParameter: A block changes its input in some passes only.
        """
        for index in range(first, depth):
            x = self._shared_input.run(
                index, partial(self._describe, index), self.blocks[index], x, *inputs, **options
            )
        return x

    def _describe(self, index: int) -> str:
        return f"{self.description}, block {index}"

    def codes_running(self, path: str) -> frozenset[int]:
        """Return the codes whose depth reaches the block that contains the submodule at `path`."""
        container, _, inner_path = path.partition(".")
        if container != "blocks" or not inner_path:
            return super().codes_running(path)

        index = int(inner_path.split(".")[0])
        return frozenset(code for code, depth in enumerate(self.choice.values) if depth > index)

    def frozen(self, code: int) -> nn.Module:
        """Return the executed blocks as a sequence."""
        return ConsecutiveBlocks(*self.blocks[: self.choice.values[code]])


class ConsecutiveBlocks(nn.Sequential):
    """A decided Repeat: a sequence whose blocks take the further arguments of a call too."""

    def forward(self, input: Any, *inputs: Any, **options: Any) -> Any:
        for block in self:
            input = block(input, *inputs, **options)
        return input


def _make_blocks(blocks: Any, count: int) -> list[nn.Module]:
    sources = list(blocks) if isinstance(blocks, Sequence | nn.ModuleList) else [blocks] * count
    used: set[int] = set()
    modules: list[nn.Module] = []

    for index, source in enumerate(sources):
        if isinstance(source, nn.Module):
            # The first use is the module itself, further ones are copies with their own weights.
            modules.append(copy_module(source) if id(source) in used else source)
            used.add(id(source))
        else:
            modules.append(source(index))

    return modules
