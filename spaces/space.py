"""SearchSpace: the ordered choices and what they build."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.choice import Choice, check_keys
from spaces.errors import InvalidArchitecture

if TYPE_CHECKING:
    import torch
    from torch_geometric.data import Batch, Data

    from spaces.drawing.sketch import Sketch
    from spaces.modules.supernet import Supernet

Codes: TypeAlias = NDArray[np.signedinteger[Any]]
"""Encoded architectures, int array [n, choices]; columns contiguous, the smallest integer that
fits.
"""

Architectures: TypeAlias = Sequence[Architecture] | Codes
"""What methods that take many architectures accept."""


_ATTEMPTS = 10  # of a mutation that gives no architecture
_CHUNK = 1 << 12  # architectures whose blocks are counted at once


class SearchSpace(ABC):
    """What a network can be.

    Args:
        name: canonical name; `spaces.get(name)` gives an equal space.
        choices: the open decisions, in the order of the encoding's columns.
        input_shape: shape of one image, (channels, height, width).
        num_classes: classes that `blocks`, `macs` and `params` are counted with.
    """

    additive = False
    """Whether costs are sums over choices, so that expectations factorise."""

    irregular = False
    """Whether some codes are refused (`valid`) or mean the same network as others (`canonical`)."""

    def __init__(
        self,
        name: str,
        choices: Sequence[Choice],
        input_shape: tuple[int, int, int],
        num_classes: int,
    ):
        self.name = name
        self.choices = tuple(choices)
        self.input_shape = input_shape
        self.num_classes = num_classes
        self.candidates = np.array([len(choice.candidates) for choice in self.choices])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {len(self.choices)} choices>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        from spaces.registry import get

        return get, (self.name,)

    @property
    def size(self) -> int:
        """How many architectures there are; irregular spaces count their own."""
        return math.prod(len(choice.candidates) for choice in self.choices)

    # Architectures and their encoding

    def architecture(
        self, choices: Mapping[str, Any] | Sequence[int] | NDArray[Any]
    ) -> Architecture:
        """The architecture of these codes (one integer a choice) or of this mapping choice ->
        candidate.

        Raises:
            InvalidArchitecture: a choice is missing or unexpected, a candidate or code is unknown.
        """
        if isinstance(choices, Mapping):
            check_keys(self.choices, choices)
            codes = [choice.code(choices[choice.key]) for choice in self.choices]
            return self.decode(np.array([codes], dtype=self.dtype))[0]
        given = np.asarray(choices)
        if given.shape != (len(self.choices),):
            raise InvalidArchitecture(
                f"{self.name} has {len(self.choices)} choices; {given.size} codes were given"
            )
        return self.decode(self.check(given[None, :]))[0]

    def check(self, codes: NDArray[Any]) -> Codes:
        """`codes` [n, choices] as small integers; raises InvalidArchitecture where one is out of
        range.
        """
        given = np.asarray(codes)
        if given.ndim != 2 or given.shape[1] != len(self.choices):
            raise InvalidArchitecture(
                f"codes of {self.name} have the shape [n, {len(self.choices)}], not"
                f" {list(given.shape)}"
            )
        if given.size and not np.issubdtype(given.dtype, np.integer):
            raise InvalidArchitecture(f"codes are integers, not {given.dtype}")
        # Column by column: with contiguous columns this reads ten million rows in a fraction of a
        # second.
        for column, choice in enumerate(self.choices):
            values, count = given[:, column], len(choice.candidates)
            if len(values) and not 0 <= values.min() <= values.max() < count:
                wrong = values[(values < 0) | (values >= count)][0]
                raise InvalidArchitecture(
                    f"{choice.key}: code {wrong} is out of range; there are {count} candidates"
                )
        return self._settled(np.asfortranarray(given, dtype=self.dtype))

    def _settled(self, codes: Codes) -> Codes:
        if not self.irregular:
            return codes
        wrong = ~self.valid(codes)
        if wrong.any():
            raise InvalidArchitecture(self.why_invalid(codes[np.flatnonzero(wrong)[0]]))
        return self.canonical(codes)

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Whether each row of `codes` [n, choices], in range, is an architecture: bool array
        [n].
        """
        return np.ones(len(codes), dtype=bool)

    def why_invalid(self, codes: NDArray[Any]) -> str:
        """One sentence on why the row `codes` [choices] is no architecture."""
        return f"{self.name} has no architecture {codes.tolist()}"

    def canonical(self, codes: Codes) -> Codes:
        """`codes` [n, choices] with one spelling for each network: what has no effect is 0."""
        return codes

    @cached_property
    def dtype(self) -> np.dtype[np.signedinteger[Any]]:
        """The smallest signed integer that holds every code."""
        return np.dtype(np.int8 if self.candidates.max(initial=0) <= 128 else np.int16)

    def encode(self, architectures: Sequence[Architecture]) -> Codes:
        """Encode architectures of this space as an int array [n, choices].

        Raises:
            InvalidArchitecture: an architecture belongs to another space or lacks a choice.
        """
        keys, tables = (
            tuple(choice.key for choice in self.choices),
            [choice.codes for choice in self.choices],
        )
        rows = []
        for architecture in architectures:
            if architecture.space != self.name:
                raise InvalidArchitecture(
                    f"an architecture of {architecture.space} was given to {self.name}"
                )
            try:
                given, names = zip(*architecture.items, strict=True)
                if given != keys:
                    raise KeyError
                rows.append([table[name] for table, name in zip(tables, names, strict=True)])
            except (KeyError, TypeError, ValueError):  # told in full, which is slower
                chosen = architecture.choices
                check_keys(self.choices, chosen)
                rows.append([choice.code(chosen[choice.key]) for choice in self.choices])
        shape = (len(architectures), len(self.choices))
        codes: Codes = np.asfortranarray(np.array(rows, dtype=self.dtype).reshape(shape))
        return self._settled(codes)

    def decode(self, codes: NDArray[Any]) -> list[Architecture]:
        """The architectures of `codes` [n, choices], checked; `encode` gives the codes back."""
        names = [
            [(choice.key, candidate) for candidate in choice.candidates] for choice in self.choices
        ]
        return [
            Architecture(
                self.name, tuple(column[code] for column, code in zip(names, row, strict=True))
            )
            for row in self.check(codes).tolist()
        ]

    def codes(self, architectures: Architectures) -> Codes:
        """Codes [n, choices] of architectures given either way, checked."""
        if isinstance(architectures, np.ndarray):
            return self.check(architectures)
        return self.encode(architectures)

    def one_hot(self, codes: Codes) -> NDArray[np.float64]:
        """Codes [n, choices] as float [n, candidates of all choices], 1 where a candidate is
        taken.
        """
        columns = [np.eye(count)[codes[:, column]] for column, count in enumerate(self.candidates)]
        return np.concatenate(columns, axis=1)

    # Randomness, only through the generator passed in

    @overload
    def sample(self, rng: np.random.Generator) -> Architecture: ...
    @overload
    def sample(self, rng: np.random.Generator, n: int) -> Codes: ...
    def sample(self, rng: np.random.Generator, n: int | None = None) -> Architecture | Codes:
        """One uniform architecture, or the codes [n, choices] of n.

        Every choice is drawn uniformly by itself, which is uniform over architectures unless the
        space is irregular.
        """
        if n is None:
            return self.decode(self.sample(rng, 1))[0]
        codes = self._draw(rng, n)
        if self.irregular:
            wrong = np.flatnonzero(~self.valid(codes))
            while len(wrong):
                codes[wrong] = self._draw(rng, len(wrong))
                wrong = wrong[~self.valid(codes[wrong])]
            codes = self.canonical(codes)
        return codes

    def _draw(self, rng: np.random.Generator, n: int) -> Codes:
        codes = np.empty((n, len(self.choices)), dtype=self.dtype, order="F")
        for column, count in enumerate(self.candidates):
            codes[:, column] = rng.integers(count, size=n)
        return codes

    def mutate(self, codes: Codes, rng: np.random.Generator, probability: float = 0.1) -> Codes:
        """Redraw every gene of `codes` [n, choices] uniformly with `probability`, as SPOS does.

        A child that is no architecture is drawn again, a few times; then its parent stays.
        """
        children = self._redrawn(codes, rng, probability)
        if self.irregular:
            for _ in range(_ATTEMPTS):
                wrong = np.flatnonzero(~self.valid(children))
                if not len(wrong):
                    break
                children[wrong] = self._redrawn(codes[wrong], rng, probability)
            children = self._or_parents(children, codes)
        return children

    def _redrawn(self, codes: Codes, rng: np.random.Generator, probability: float) -> Codes:
        fresh = self._draw(rng, len(codes))
        return np.asfortranarray(
            np.where(rng.random(codes.shape) < probability, fresh, codes), dtype=self.dtype
        )

    def crossover(self, mothers: Codes, fathers: Codes, rng: np.random.Generator) -> Codes:
        """Take every gene from one of the two parents (codes [n, choices] each) with equal chance.

        In place of a child that is no architecture its mother stays.
        """
        taken = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
        children = np.asfortranarray(taken, dtype=self.dtype)
        return self._or_parents(children, mothers) if self.irregular else children

    def _or_parents(self, children: Codes, parents: Codes) -> Codes:
        wrong = ~self.valid(children)
        children[wrong] = parents[wrong]
        return self.canonical(children)

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture, the last choice fastest."""
        for codes in self.enumerate_codes():
            yield from self.decode(codes)

    def enumerate_codes(self, batch: int = 1 << 16) -> Iterator[Codes]:
        """Every architecture as codes [at most batch, choices], the last choice fastest."""
        total = math.prod(map(int, self.candidates))
        for start in range(0, total, batch):
            index = np.arange(start, min(start + batch, total), dtype=np.int64)
            codes = np.empty((len(index), len(self.choices)), dtype=self.dtype, order="F")
            for column in range(len(self.choices) - 1, -1, -1):
                index, codes[:, column] = np.divmod(index, self.candidates[column])
            if self.irregular:
                codes = codes[self.valid(codes) & (self.canonical(codes) == codes).all(1)]
            if len(codes):
                yield codes

    # What an architecture is made of

    def input_shape_of(self, architecture: Architecture) -> tuple[int, int, int]:
        """Shape of one image for the architecture's network: the space's, unless the resolution is
        a choice.
        """
        return self.input_shape

    @abstractmethod
    def blocks(self, architecture: Architecture) -> list[Block]:
        """The blocks that `network(architecture)` executes, in its order."""

    @abstractmethod
    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """All block keys of the space and how often each occurs: int array [n, keys]."""

    @property
    @abstractmethod
    def all_blocks(self) -> Mapping[str, Block]:
        """Key -> block for every block that occurs in the space."""

    def macs(self, architectures: Any) -> Any:
        """Multiply-accumulates (the papers' FLOPs) for one image: int of one Architecture, int64
        array [n] of many.
        """
        return self._counted("macs", architectures)

    def params(self, architectures: Any) -> Any:
        """Learned numbers of the networks, counted as `macs`: int of one Architecture, int64 array
        [n] of many.
        """
        return self._counted("params", architectures)

    def _counted(
        self, field: str, architectures: Architecture | Architectures
    ) -> int | NDArray[np.int64]:
        if isinstance(architectures, Architecture):
            return int(self._sums(field, self.encode([architectures]))[0])
        return self._sums(field, self.codes(architectures))

    def _sums(self, field: str, codes: Codes) -> NDArray[np.int64]:
        """Sums of a block's `field` over the networks `codes` [n, choices]: int64 array [n]."""
        sums = np.zeros(len(codes), dtype=np.int64)
        for start in range(0, len(codes), _CHUNK):
            keys, counts = self.block_counts(codes[start : start + _CHUNK])
            each = np.array([getattr(self.all_blocks[key], field) for key in keys], dtype=np.int64)
            sums[start : start + _CHUNK] = counts @ each
        return sums

    @property
    def operations(self) -> list[str]:
        """The operations' names; in graphs the operation with index i is node label i + 1."""
        return list(dict.fromkeys(name for choice in self.choices for name in choice.candidates))

    @property
    def positions(self) -> int:
        """How many positions the nodes of graphs have, beside 0 for inputs."""
        return len(self.choices)

    @abstractmethod
    def graph(self, architecture: Architecture) -> Data:
        """The architecture as a graph for predictors; see `spaces.graph`."""

    @abstractmethod
    def graphs(self, architectures: Architectures) -> Batch:
        """The graphs of many architectures, built at once."""

    def sketch(self, architecture: Architecture) -> Sketch:
        """What a picture of the architecture shows; see `spaces.drawing.renderer`."""
        from spaces.drawing.sketch import chain_sketch

        return chain_sketch(self.name, [("", [block]) for block in self.blocks(architecture)])

    # What it builds

    @abstractmethod
    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """The stand-alone network, its weights drawn from `generator` (default: seed 0)."""

    @abstractmethod
    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """The network that holds every candidate, its weights drawn from `generator` (default: seed
        0).
        """
