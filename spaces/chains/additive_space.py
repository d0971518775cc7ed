"""AdditiveSpace: a space whose costs are sums over its choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.chains.additive import AdditiveTable
from spaces.choice import Choice
from spaces.space import Codes, SearchSpace


@dataclass(frozen=True)
class ChoiceLayer:
    """A choice whose candidates are sequences of blocks.

    A candidate without blocks passes its input, or is the zero operation of a cell. If the choice
    applies at several positions, as in a cell that is repeated, a candidate has the blocks of all.

    Args:
        key: Key of the choice.
        candidates: Name -> blocks that the candidate adds.

    Example:
        >>> block = Block("conv", (8, 32, 32), (8, 32, 32), kernel=3, stride=1)
        >>> layer = ChoiceLayer("layer_1", {"skip": (), "conv": (block,)})
        >>> [len(blocks) for blocks in layer.candidates.values()]
        [0, 1]
    """

    key: str
    candidates: Mapping[str, tuple[Block, ...]]


class AdditiveSpace(SearchSpace):
    """A space of fixed blocks, and of blocks that each candidate of each choice adds.

    Args:
        name: Canonical name.
        fixed_blocks: Blocks of every architecture.
        layers: Choices with the blocks of their candidates.
        input_shape: Shape of one image, (channels, height, width).
        num_classes: Number of classes that costs are counted with.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> isinstance(space, AdditiveSpace)
        True
        >>> table = space.additive_table(lambda block: block.macs)
        >>> codes = space.sample(np.random.default_rng(0), 5)
        >>> bool((table(codes) == space.macs(codes)).all())
        True
    """

    additive = True

    def __init__(
        self,
        name: str,
        fixed_blocks: Sequence[Block],
        layers: Sequence[ChoiceLayer],
        input_shape: tuple[int, int, int],
        num_classes: int,
    ):
        choices = [Choice(layer.key, tuple(layer.candidates)) for layer in layers]
        super().__init__(name, choices, input_shape, num_classes)
        self.fixed_blocks = tuple(fixed_blocks)
        self.choice_layers = tuple(layers)

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        candidates = (
            block
            for layer in self.choice_layers
            for blocks in layer.candidates.values()
            for block in blocks
        )
        return {block.key: block for block in (*self.fixed_blocks, *candidates)}

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys of the space and how often each occurs, int array [n, keys]."""
        keys = list(self.all_blocks)
        column = {key: index for index, key in enumerate(keys)}

        # Fixed blocks are counted as often as they occur.
        counts = np.zeros((len(codes), len(keys)), dtype=np.int32)
        for block in self.fixed_blocks:
            counts[:, column[block.key]] += 1

        for index, layer in enumerate(self.choice_layers):
            # Counts by candidate, so that an architecture looks up a whole row.
            adds = np.zeros((len(layer.candidates), len(keys)), dtype=np.int32)
            for code, blocks in enumerate(layer.candidates.values()):
                for block in blocks:
                    adds[code, column[block.key]] += 1
            counts += adds[codes[:, index]]

        return keys, counts

    def additive_table(
        self, cost: Callable[[Block], float], dtype: type[np.generic] = np.float64
    ) -> AdditiveTable:
        """Tabulate the cost that each candidate adds where a block costs `cost(block)`."""
        terms = [
            np.array([sum(map(cost, blocks)) for blocks in layer.candidates.values()], dtype=dtype)
            for layer in self.choice_layers
        ]
        return AdditiveTable(sum(map(cost, self.fixed_blocks)), terms)

    @cached_property
    def has_binary_macs(self) -> bool:  # type: ignore[override]
        """Whether networks compute with signs."""
        return any(block.binary_macs for block in self.all_blocks.values())

    @cached_property
    def _count_tables(self) -> dict[str, AdditiveTable]:
        fields = ("macs", "binary_macs", "params")
        return {field: self.additive_table(attrgetter(field), np.int64) for field in fields}

    def _sums(self, field: str, codes: Codes) -> NDArray[np.int64]:
        return self._count_tables[field](codes)
