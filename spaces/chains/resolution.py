"""Spaces whose first choice is the input size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.chains.additive_space import AdditiveSpace
from spaces.choice import Values
from spaces.space import Architectures, Codes, SearchSpace

if TYPE_CHECKING:
    import torch
    from torch_geometric.data import Batch, Data

    from spaces.drawing.sketch import Sketch
    from spaces.modules.supernet import Supernet


RESOLUTION = "resolution"
"""Key of the choice of the input size."""


class SizedSpaces(SearchSpace):
    """One space for each input size, with the size as the first choice.

    Column 0 of the codes selects the size, the other columns are those of the spaces, whose choices
    are equal. A subclass sets `resolutions` and the spaces in its constructor.
    """

    _spaces: Sequence[SearchSpace]

    def at(self, code: int) -> SearchSpace:
        """Return the space of the resolution with this code."""
        return self._spaces[code]

    @property
    def _largest(self) -> SearchSpace:
        """The space of the largest input size, used where a size must be fixed."""
        return self._spaces[int(np.argmax(self.resolutions))]

    @property
    def is_chain(self) -> bool:  # type: ignore[override]
        """Whether networks are sequences of blocks, which is the same at every resolution."""
        return self._largest.is_chain

    @property
    def size(self) -> int:
        """Number of architectures."""
        return len(self._spaces) * self._largest.size

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which rows of in-range codes are architectures, bool array [n]."""
        return self._largest.valid(codes[:, 1:])

    def canonical(self, codes: Codes) -> Codes:
        """Return codes [n, choices] with one form per network."""
        others = self._largest.canonical(codes[:, 1:])
        return np.asfortranarray(np.concatenate([codes[:, :1], others], 1), dtype=self.dtype)

    def _draw(self, rng: np.random.Generator, n: int) -> Codes:
        sizes = rng.integers(len(self._spaces), size=(n, 1))
        return np.asfortranarray(
            np.concatenate([sizes, self._largest.sample(rng, n)], 1), dtype=self.dtype
        )

    def _split(self, architecture: Architecture) -> tuple[SearchSpace, Architecture]:
        """Return the space of the architecture's resolution, and its architecture there."""
        codes = self.encode([architecture])[0]
        space = self.at(int(codes[0]))
        return space, space.architecture(codes[1:])

    @property
    def all_blocks(self) -> Mapping[str, Block]:
        """Key -> block for every block at every resolution."""
        return {key: block for space in self._spaces for key, block in space.all_blocks.items()}

    def blocks(self, architecture: Architecture) -> list[Block]:
        """Return the blocks that the network executes on images of its resolution, in order."""
        space, inner = self._split(architecture)
        return space.blocks(inner)

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return the keys of the blocks and how often each occurs, int array [n, keys]."""
        rows_at = [np.flatnonzero(codes[:, 0] == code) for code in range(len(self._spaces))]
        counted = [
            space.block_counts(codes[rows, 1:])
            for rows, space in zip(rows_at, self._spaces, strict=True)
        ]
        keys = list(dict.fromkeys(key for names, _ in counted for key in names))
        column = {key: index for index, key in enumerate(keys)}
        counts = np.zeros((len(codes), len(keys)), dtype=np.int32)

        for rows, (names, counts_here) in zip(rows_at, counted, strict=True):
            # Each resolution has blocks of its own, which fill their columns only.
            columns = np.array([column[name] for name in names], dtype=np.int64)
            counts[rows[:, None], columns] = counts_here

        return keys, counts

    def _sums(self, field: str, codes: Codes) -> NDArray[np.int64]:
        sums = np.zeros(len(codes), dtype=np.int64)
        for code, space in enumerate(self._spaces):
            rows = codes[:, 0] == code
            sums[rows] = space._sums(field, codes[rows, 1:])
        return sums

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the content of the architecture's picture, at its resolution."""
        space, inner = self._split(architecture)
        return space.sketch(inner)

    def graph(self, architecture: Architecture) -> Data:
        """Return the architecture as a graph whose first node is the resolution."""
        return self.graphs([architecture]).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """Return the graphs of many architectures, built at once."""
        from spaces.graphs.graph import chain_graphs

        return chain_graphs(self, self.codes(architectures))

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """Build the standalone network, for images of the architecture's resolution."""
        space, inner = self._split(architecture)
        return space.network(inner, num_classes, generator)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the supernet, which resizes its input to the active resolution."""
        from spaces.modules.supernet import ResizingSupernet

        return ResizingSupernet(self, self._largest.supernet(num_classes, generator))

    def input_shape_of(self, architecture: Architecture) -> tuple[int, int, int]:
        """Return the shape of the images that the architecture's network takes."""
        return self._split(architecture)[0].input_shape


class ResolutionSpace(SizedSpaces):
    """One additive space for each input size, with the size as the first choice.

    Costs are sums over choices once the resolution is fixed; see `at`.

    Args:
        name: Canonical name.
        resolutions: Input sizes in pixels.
        at_resolution: Function size -> space; the choices of all sizes are equal.
    """

    _spaces: Sequence[AdditiveSpace]

    def __init__(
        self, name: str, resolutions: Sequence[int], at_resolution: Callable[[int], AdditiveSpace]
    ):
        self.resolutions = tuple(resolutions)
        self._spaces = [at_resolution(size) for size in self.resolutions]
        largest = self._largest
        choices = [Values.from_values(RESOLUTION, self.resolutions), *largest.choices]
        super().__init__(name, choices, largest.input_shape, largest.num_classes)
        self.irregular = largest.irregular

    @cached_property
    def all_blocks(self) -> Mapping[str, Block]:
        """Key -> block for every block at every resolution."""
        return super().all_blocks

    def at(self, code: int) -> AdditiveSpace:
        """Return the additive space of the resolution with this code."""
        return self._spaces[code]
