"""ChainSpace: a space whose networks are blocks one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.additive import AdditiveTable
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.choice import Choice
from spaces.space import Architectures, Codes, SearchSpace

if TYPE_CHECKING:
    import torch
    from torch_geometric.data import Batch, Data

    from spaces.modules.network import Initialiser
    from spaces.modules.supernet import Supernet


@dataclass(frozen=True)
class ChoiceLayer:
    """A place of the chain that is open: each candidate is a sequence of blocks (none: the input passes)."""

    key: str
    candidates: Mapping[str, tuple[Block, ...]]


Layout: TypeAlias = Sequence[Block | ChoiceLayer]


class ChainSpace(SearchSpace):
    """Fixed blocks and choices of blocks, executed one after the other.

    Args:
        name: canonical name.
        layout: the chain for `num_classes` classes.
        input_shape: shape of one image.
        num_classes: classes that costs are counted with.
        classifier: the last block for another number of classes.
        initialise: sets the weights of a built network; see `spaces.modules.network`.
    """

    def __init__(
        self,
        name: str,
        layout: Layout,
        input_shape: tuple[int, int, int],
        num_classes: int,
        classifier: Callable[[int], Block],
        initialise: Callable[[], Initialiser],
    ):
        self.layout = tuple(layout)
        self._classifier, self._initialise = classifier, initialise
        layers = [layer for layer in self.layout if isinstance(layer, ChoiceLayer)]
        super().__init__(
            name, [Choice(layer.key, tuple(layer.candidates)) for layer in layers], input_shape, num_classes
        )
        self.choice_layers = tuple(layers)

    def blocks(self, architecture: Architecture) -> list[Block]:
        """The blocks that `network(architecture)` executes, in its order."""
        self.encode([architecture])
        return self._blocks_of(self.layout, architecture.choices)

    @staticmethod
    def _blocks_of(layout: Layout, chosen: Mapping[str, str]) -> list[Block]:
        blocks: list[Block] = []
        for part in layout:
            blocks.extend(part.candidates[chosen[part.key]] if isinstance(part, ChoiceLayer) else (part,))
        return blocks

    @cached_property
    def fixed_blocks(self) -> tuple[Block, ...]:
        """The blocks that every architecture has."""
        return tuple(part for part in self.layout if isinstance(part, Block))

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        candidates = (block for layer in self.choice_layers for blocks in layer.candidates.values() for block in blocks)
        return {block.key: block for block in (*self.fixed_blocks, *candidates)}

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """All block keys of the space and how often each occurs: int array [n, keys]."""
        keys = list(self.all_blocks)
        column = {key: index for index, key in enumerate(keys)}
        counts = np.zeros((len(codes), len(keys)), dtype=np.int32)
        for block in self.fixed_blocks:
            counts[:, column[block.key]] += 1
        for index, layer in enumerate(self.choice_layers):
            adds = np.zeros((len(layer.candidates), len(keys)), dtype=np.int32)
            for code, blocks in enumerate(layer.candidates.values()):
                for block in blocks:
                    adds[code, column[block.key]] += 1
            counts += adds[codes[:, index]]
        return keys, counts

    def additive_table(self, cost: Callable[[Block], float], dtype: type[np.generic] = np.float64) -> AdditiveTable:
        """What each candidate adds where a block costs `cost(block)`."""
        terms = [
            np.array([sum(map(cost, blocks)) for blocks in layer.candidates.values()], dtype=dtype)
            for layer in self.choice_layers
        ]
        return AdditiveTable(sum(map(cost, self.fixed_blocks)), terms)

    @cached_property
    def _macs(self) -> AdditiveTable:
        return self.additive_table(lambda block: block.macs, np.int64)

    @cached_property
    def _params(self) -> AdditiveTable:
        return self.additive_table(lambda block: block.params, np.int64)

    def macs(self, architectures: Any) -> Any:
        """Multiply-accumulates (the papers' FLOPs) for one image: int of one Architecture, int64 array [n] of many."""
        return self._count(self._macs, architectures)

    def params(self, architectures: Any) -> Any:
        """Learned numbers of the networks: int of one Architecture, int64 array [n] of many."""
        return self._count(self._params, architectures)

    def _count(self, table: AdditiveTable, architectures: Architecture | Architectures) -> int | NDArray[np.int64]:
        if isinstance(architectures, Architecture):
            return int(table.sum(self.encode([architectures]))[0])
        return table.sum(self.codes(architectures))

    def graph(self, architecture: Architecture) -> Data:
        """The architecture as a path of nodes; see `spaces.graph.chain_graphs`."""
        from spaces.graph import chain_graphs

        return chain_graphs(self, self.encode([architecture])).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """The graphs of many architectures, built at once."""
        from spaces.graph import chain_graphs

        return chain_graphs(self, self.codes(architectures))

    def layout_for(self, num_classes: int | None) -> Layout:
        """The chain with a classifier of `num_classes` classes (None: the space's own)."""
        if num_classes is None or num_classes == self.num_classes:
            return self.layout
        return (*self.layout[:-1], self._classifier(num_classes))

    def network(
        self, architecture: Architecture, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> torch.nn.Module:
        """The stand-alone network, its weights drawn from `generator` (default: seed 0)."""
        from spaces.modules.network import chain_network

        self.encode([architecture])
        blocks = self._blocks_of(self.layout_for(num_classes), architecture.choices)
        return chain_network(blocks, self._initialise(), generator)

    def supernet(self, num_classes: int | None = None, generator: torch.Generator | None = None) -> Supernet:
        """The network that holds every candidate, its weights drawn from `generator` (default: seed 0)."""
        from spaces.modules.supernet import chain_supernet

        return chain_supernet(self, self.layout_for(num_classes), self._initialise(), generator)
