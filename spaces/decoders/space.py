"""DecoderSpace: causal transformers with elastic context, depth, width, heads and inner ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.decoders.blocks import DECODE, PREFILL, DecoderBlocks
from spaces.decoders.sizes import LAYERS, Shape, Sizes
from spaces.errors import InvalidParameter, UnknownName
from spaces.space import Architectures, Codes, SearchSpace

if TYPE_CHECKING:
    import torch
    from torch_geometric.data import Batch, Data

    from spaces.drawing.sketch import Sketch
    from spaces.modules.supernet import Supernet


class DecoderSpace(SearchSpace):
    """Causal transformers whose smaller ones are slices of the largest one.

    An architecture has a context, a depth and a width, and for each layer a number of heads and an
    inner ratio; those of layers beyond the depth have no effect. A network of a shorter context
    reads the last tokens of a prompt only.

    Blocks, costs and inputs are those of one phase: of a prompt of `length` tokens (`prefill`), or
    of one token with a cache (`decode`), which then has `length` tokens, the new one included.

    Args:
        name: Canonical name.
        sizes: Sizes among which architectures choose.
        vocabulary: Number of different tokens.
        phase: `prefill` or `decode`.
        length: Number of tokens of the prompt or of the cache. None: the longest context.

    Raises:
        InvalidParameter: Sizes do not increase, or the length exceeds the longest context.
        UnknownName: The phase is another.

    Example:
        >>> import spaces
        >>> space = spaces.get("decoder-tiny")
        >>> architecture = space.architecture([0] * len(space.choices))
        >>> for block in space.blocks(architecture):
        ...     print(block)
        embedding v16 8 -> 8x16
        attention m8 h1 l8 8x16 -> 8x16
        feed_forward e1 gelu skip 8x16 -> 8x16
        token_scores 8x16 -> 8x16
        >>> space.at_phase("decode", 8).blocks(architecture)[1].key
        'attention m8 h1 l8 c7 1x16 -> 1x16'
    """

    head = "tokens"
    phases = (PREFILL, DECODE)

    def __init__(
        self,
        name: str,
        sizes: Sizes,
        vocabulary: int,
        phase: str = PREFILL,
        length: int | None = None,
    ):
        sizes.check(name)
        if phase not in self.phases:
            raise UnknownName("phase", phase, self.phases)

        longest = max(sizes.contexts)
        self.sizes = sizes
        self.phase = phase
        self.length = longest if length is None else length
        if self.length > longest:
            noun = "prompt" if phase == PREFILL else "cache"
            raise InvalidParameter(
                f"{noun}: {self.length} tokens are longer than the longest context of {name},"
                f" {longest}"
            )

        self._blocks = self._blocks_of(vocabulary)
        # Tokens have no channels: the shape is their number alone.
        shape: Any = (self._blocks.tokens(longest),)
        super().__init__(name, sizes.choices(), shape, vocabulary)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.name, self.phase, self.length)

    @property
    def is_chain(self) -> bool:  # type: ignore[override]
        """Whether blocks read the previous one only: with a cache they read that as well."""
        return self.phase == PREFILL

    def at_phase(self, phase: str, length: int | None = None) -> DecoderSpace:
        """Return the same space with the blocks, costs and networks of a phase."""
        return DecoderSpace(self.name, self.sizes, self.num_classes, phase, length)

    def for_vocabulary(self, size: int) -> SearchSpace:
        """Return the space whose networks read and predict `size` tokens."""
        from spaces.registry import get

        return get(self.name, vocabulary=size)

    # Shapes

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The number of tokens, by the name of the networks' input."""
        return {"tokens": self.input_shape}

    def input_shape_of(self, architecture: Architecture) -> Any:
        """Return the number of tokens that a network reads, (tokens,)."""
        return (self._blocks.tokens(self._shape(architecture).context),)

    def example_shape_of(self, architecture: Architecture) -> Any:
        """Return the number of tokens of the longest context, (tokens,).

        Networks of shorter contexts read a window in pieces, so that an update by a batch of
        windows has as many tokens for all networks of the space.
        """
        return self.input_shape

    def _shape(self, architecture: Architecture) -> Shape:
        return self.sizes.shape_of(self.encode([architecture])[0])

    # Equal networks

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        """Return the codes with those of layers beyond the depth set to 0."""
        keys = codes.copy(order="F")
        depths = self.sizes.depths_of(codes)
        for layer in range(max(self.sizes.depths)):
            first = LAYERS + 2 * layer
            keys[depths <= layer, first : first + 2] = 0
        return keys

    def representatives(self, codes: Codes) -> Codes:
        """Return the codes with those of layers beyond the depth set to 0."""
        return self.check(self.isomorphism_keys(codes))

    # Blocks

    def _blocks_of(self, vocabulary: int) -> DecoderBlocks:
        return DecoderBlocks(self.sizes, vocabulary, self.phase, self.length)

    def blocks(self, architecture: Architecture) -> list[Block]:
        """Return the blocks that `network(architecture)` executes, in order."""
        return self._blocks.of(self._shape(architecture))

    @property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        return self._blocks.all

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys of the space and how often each occurs, int array [n, keys]."""
        return list(self._blocks.all), self._blocks.counts(codes)

    # Memory

    def cache_bytes(
        self, architectures: Any, tokens: int | None = None, number_bytes: int = 4
    ) -> Any:
        """Return the bytes of the cached keys and values of one text, int or int64 array [n]."""
        if isinstance(architectures, Architecture):
            return int(self.cache_bytes([architectures], tokens, number_bytes)[0])
        return number_bytes * self.sizes.cached_numbers(self.codes(architectures), tokens)

    # Graphs and pictures

    @property
    def operations(self) -> list[str]:
        """Names of the sizes, such as `heads 4`, in the order of the graphs' labels."""
        from spaces.decoders.graphs import operations

        return operations(self)

    def graph(self, architecture: Architecture) -> Data:
        """Return the architecture as a path of its sizes; see `spaces.decoders.graphs`."""
        return self.graphs([architecture]).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """Return the graphs of many architectures, built at once."""
        from spaces.decoders.graphs import decoder_graphs

        return decoder_graphs(self, self.codes(architectures))

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the picture's content: one row for each layer."""
        from spaces.decoders.graphs import decoder_sketch

        return decoder_sketch(self.name, self._shape(architecture))

    # Networks

    def input_names(self, architecture: Architecture) -> list[str]:
        """Return `tokens`, and of the phase `decode` the names of each layer's keys and values."""
        if self.phase == PREFILL:
            return ["tokens"]
        depth = len(self._shape(architecture).layers)
        pairs = [(f"past_key_{layer}", f"past_value_{layer}") for layer in range(1, depth + 1)]
        return ["tokens", *(name for pair in pairs for name in pair)]

    def random_input(
        self, architecture: Architecture, batch: int, generator: torch.Generator
    ) -> Any:
        """Return random tokens [batch, length]; of the phase `decode` a token and a cache.

        Args:
            architecture: Architecture of the network.
            batch: Batch size.
            generator: Random generator.
        """
        import torch

        context, _, layers = self._shape(architecture)
        size = (batch, self._blocks.tokens(context))
        tokens = torch.randint(self.num_classes, size, generator=generator)
        if self.phase == PREFILL:
            return tokens

        def numbers(heads: int) -> torch.Tensor:
            size = (batch, heads, self._blocks.cached(context), self.sizes.head_size)
            return torch.randn(size, generator=generator)

        return tokens, tuple((numbers(heads), numbers(heads)) for heads, _ in layers)

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """Build the standalone network; of the phase `decode` one that takes a token and a cache.

        Args:
            architecture: Architecture of this space.
            num_classes: Number of different tokens. None: the space's.
            generator: Source of the initial weights. None: a new one with seed 0.
        """
        from spaces.modules.decoder import DecoderNetwork, DecodingStep
        from spaces.modules.network import materialise
        from spaces.modules.text import initialise_text, set_dropout

        shape = self._shape(architecture)
        blocks = self._blocks_of(num_classes or self.num_classes).of(shape)
        network = materialise(lambda: DecoderNetwork(blocks), initialise_text, generator)
        set_dropout(network, self.sizes.dropout)
        return network if self.phase == PREFILL else DecodingStep(network)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the largest decoder, which runs as any smaller one; arguments as of `network`."""
        from spaces.modules.elastic_decoder import DecoderSupernet
        from spaces.modules.network import materialise
        from spaces.modules.text import initialise_text

        vocabulary = num_classes or self.num_classes
        return materialise(lambda: DecoderSupernet(self, vocabulary), initialise_text, generator)


def _rebuild(name: str, phase: str, length: int) -> DecoderSpace:
    from spaces.registry import get

    space = get(name)
    assert isinstance(space, DecoderSpace)
    return space.at_phase(phase, length)
