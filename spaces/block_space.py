"""BlockSpace: ordered choices whose architectures execute blocks, and the blocks' costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.choice_space import Architectures, ChoiceSpace, Codes
from spaces.errors import NotAdditive

if TYPE_CHECKING:
    from spaces.chains.additive import AdditiveTable
    from spaces.chains.additive_space import ChoiceLayer

_COUNTING_CHUNK = 1 << 12
"""Architectures whose blocks are counted at once."""


class BlockSpace(ChoiceSpace, ABC):
    """Choices whose architectures execute blocks, over which costs are summed.

    Args:
        name: Canonical name.
        choices: Open decisions, in the order of the columns of the codes.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> architecture = space.architecture([0] * len(space.choices))
        >>> space.macs(architecture) == sum(block.macs for block in space.blocks(architecture))
        True
    """

    additive = False
    """Whether costs are sums over choices, so that expectations factorise."""

    has_binary_macs = False
    """Whether networks compute with signs, so that `binary_macs` counts something."""

    fixed_blocks: tuple[Block, ...] = ()
    """Blocks of every network; empty unless the space is additive."""

    choice_layers: tuple[ChoiceLayer, ...] = ()
    """Choices with the blocks that each candidate adds; empty unless the space is additive."""

    @abstractmethod
    def blocks(self, architecture: Architecture) -> list[Block]:
        """Return the blocks that `network(architecture)` executes, in order."""

    @abstractmethod
    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys of the space and how often each occurs, int array [n, keys]."""

    def pruned(self) -> Self:
        """Return the space with the blocks that runtimes execute which remove what has no effect.

        Codes, networks and names are the same; `blocks` are still those of the whole network. By
        default the space itself, since no block of most networks is without effect.
        """
        return self

    @property
    @abstractmethod
    def all_blocks(self) -> Mapping[str, Block]:
        """Key -> block for every block that occurs in the space."""

    def macs(self, architectures: Any) -> Any:
        """Count the multiply-accumulates for one image, which papers call FLOPs.

        Args:
            architectures: One Architecture, or many of them or codes [n, choices].

        Returns:
            Int for one Architecture, int64 array [n] for many.
        """
        return self._count("macs", architectures)

    def binary_macs(self, architectures: Any) -> Any:
        """Count the multiply-accumulates of signs; arguments and result are those of `macs`.

        Networks without binary convolutions have none. 64 of them are often counted as one
        operation in floats, since a processor computes as many at once.
        """
        if not self.has_binary_macs:
            return 0 * self.params(architectures)
        return self._count("binary_macs", architectures)

    def params(self, architectures: Any) -> Any:
        """Count the learned parameters; arguments and result are those of `macs`."""
        return self._count("params", architectures)

    def weight_bytes(self, architectures: Any, number_bytes: int = 4) -> Any:
        """Return the bytes of the weights, int or int64 array [n].

        Args:
            architectures: One Architecture, or many of them or codes [n, choices].
            number_bytes: Bytes of a number: 4 of fp32, 2 of fp16 and bf16.
        """
        return number_bytes * self.params(architectures)

    def cache_bytes(
        self, architectures: Any, tokens: int | None = None, number_bytes: int = 4
    ) -> Any:
        """Return the bytes of the cached keys and values of one text, int or int64 array [n].

        They are 0 unless networks decode text with a cache.

        Args:
            architectures: One Architecture, or many of them or codes [n, choices].
            tokens: Number of tokens of the text, of which a network caches no more than its
                context. None: each network's context.
            number_bytes: Bytes of a number: 4 of fp32, 2 of fp16 and bf16.
        """
        return 0 * self.params(architectures)

    def _count(
        self, field: str, architectures: Architecture | Architectures
    ) -> int | NDArray[np.int64]:
        if isinstance(architectures, Architecture):
            # Python's int, which JSON can write.
            return int(self._sums(field, self.encode([architectures]))[0])
        return self._sums(field, self.codes(architectures))

    def _sums(self, field: str, codes: Codes) -> NDArray[np.int64]:
        """Sum a field of the blocks over the networks of codes [n, choices], int64 array [n]."""
        # In chunks: the counts [n, keys] of many architectures would not fit into memory.
        sums = np.zeros(len(codes), dtype=np.int64)
        for start in range(0, len(codes), _COUNTING_CHUNK):
            keys, counts = self.block_counts(codes[start : start + _COUNTING_CHUNK])
            values = [getattr(self.all_blocks[key], field) for key in keys]
            sums[start : start + _COUNTING_CHUNK] = counts @ np.array(values, dtype=np.int64)
        return sums

    def additive_table(
        self, cost: Callable[[Block], float], dtype: type[np.generic] = np.float64
    ) -> AdditiveTable:
        """Tabulate the cost that each candidate adds where a block costs `cost(block)`.

        Raises:
            NotAdditive: Costs are not sums over the choices of this space.
        """
        raise NotAdditive(f"costs of {self.name} are not sums over its choices")
