"""ResolutionSpace: an additive space whose input size is a choice too, the first one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class ResolutionSpace(SearchSpace):
    """One additive space for each input size; column 0 of the codes is the size, the others are the
    space's.

    Costs are sums over choices once the resolution is fixed: see `at`.

    Args:
        name: canonical name.
        resolutions: input sizes in pixels.
        at_resolution: the space of one input size; all have equal choices.
    """

    def __init__(
        self, name: str, resolutions: Sequence[int], at_resolution: Callable[[int], AdditiveSpace]
    ):
        self.resolutions = tuple(resolutions)
        self._spaces = [at_resolution(size) for size in self.resolutions]
        largest = self._spaces[int(np.argmax(self.resolutions))]
        choices = [Values.from_values("resolution", self.resolutions), *largest.choices]
        super().__init__(name, choices, largest.input_shape, largest.num_classes)
        self.irregular = largest.irregular
        self._largest = largest

    def at(self, code: int) -> AdditiveSpace:
        """The additive space of the resolution with this code."""
        return self._spaces[code]

    @property
    def is_chain(self) -> bool:  # type: ignore[override]
        """Whether networks are sequences of blocks, which is the same at every resolution."""
        return self._largest.is_chain

    @property
    def size(self) -> int:
        """How many architectures there are."""
        return len(self._spaces) * self._largest.size

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Whether each row is an architecture: bool array [n]."""
        return self._largest.valid(codes[:, 1:])

    def canonical(self, codes: Codes) -> Codes:
        """`codes` [n, choices] with one spelling for each network."""
        rest = self._largest.canonical(codes[:, 1:])
        return np.asfortranarray(np.concatenate([codes[:, :1], rest], 1), dtype=self.dtype)

    def _draw(self, rng: np.random.Generator, n: int) -> Codes:
        sizes = rng.integers(len(self._spaces), size=(n, 1))
        return np.asfortranarray(
            np.concatenate([sizes, self._largest.sample(rng, n)], 1), dtype=self.dtype
        )

    def _part(self, architecture: Architecture) -> tuple[AdditiveSpace, Architecture]:
        codes = self.encode([architecture])[0]
        space = self.at(int(codes[0]))
        return space, space.architecture(codes[1:])

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block at every resolution."""
        return {key: block for space in self._spaces for key, block in space.all_blocks.items()}

    def blocks(self, architecture: Architecture) -> list[Block]:
        """The blocks that `network(architecture)` executes on images of the architecture's
        resolution.
        """
        space, part = self._part(architecture)
        return space.blocks(part)

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """All block keys of the space and how often each occurs: int array [n, keys]."""
        keys = list(self.all_blocks)
        column = {key: index for index, key in enumerate(keys)}
        counts = np.zeros((len(codes), len(keys)), dtype=np.int32)
        for code, space in enumerate(self._spaces):
            rows = np.flatnonzero(codes[:, 0] == code)
            names, found = space.block_counts(codes[rows, 1:])
            columns = np.array([column[name] for name in names], dtype=np.int64)
            counts[rows[:, None], columns] = found
        return keys, counts

    def _sums(self, field: str, codes: Codes) -> NDArray[np.int64]:
        sums = np.zeros(len(codes), dtype=np.int64)
        for code, space in enumerate(self._spaces):
            rows = codes[:, 0] == code
            sums[rows] = space._sums(field, codes[rows, 1:])
        return sums

    def sketch(self, architecture: Architecture) -> Sketch:
        """What a picture of the architecture shows, at its resolution."""
        space, part = self._part(architecture)
        return space.sketch(part)

    def graph(self, architecture: Architecture) -> Data:
        """The architecture as a graph for predictors; the resolution is its first node."""
        return self.graphs([architecture]).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """The graphs of many architectures, built at once."""
        from spaces.graph import chain_graphs

        return chain_graphs(self, self.codes(architectures))

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """The stand-alone network, for images of the architecture's resolution."""
        space, part = self._part(architecture)
        return space.network(part, num_classes, generator)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """The supernet, which resizes its input to the active resolution."""
        from spaces.modules.supernet import ResizingSupernet

        return ResizingSupernet(self, self._largest.supernet(num_classes, generator))

    def input_shape_of(self, architecture: Architecture) -> tuple[int, int, int]:
        """Shape of the images that the architecture's network takes."""
        return self._part(architecture)[0].input_shape
