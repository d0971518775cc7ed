"""Blocks of decoders in one phase, and how often each occurs in architectures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.decoders.sizes import CONTEXT, LAYERS, WIDTH, Shape, Sizes
from spaces.space import Codes

PREFILL = "prefill"
"""Phase in which a network reads a whole prompt."""

DECODE = "decode"
"""Phase in which a network reads one token, with a cache of those before."""

_Table: TypeAlias = NDArray[np.object_]


class DecoderBlocks:
    """Makes and counts the blocks of a phase.

    Args:
        sizes: Sizes among which architectures choose.
        vocabulary: Number of different tokens.
        phase: `prefill` or `decode`.
        length: Number of tokens of the prompt, or of the cache with the new token.
    """

    def __init__(self, sizes: Sizes, vocabulary: int, phase: str, length: int):
        self.sizes = sizes
        self.vocabulary = vocabulary
        self.phase = phase
        self.length = length

    def tokens(self, context: int) -> int:
        """Return the number of tokens that a network of a context reads at once."""
        return min(self.length, context) if self.phase == PREFILL else 1

    def cached(self, context: int) -> int:
        """Return the number of cached tokens before those that a network of a context reads."""
        return 0 if self.phase == PREFILL else min(self.length, context) - 1

    def of(self, shape: Shape) -> list[Block]:
        """Return the blocks of an architecture in the order of execution."""
        context, width, layers = shape
        blocks = [self._embedding(context, width)]
        for heads, ratio in layers:
            blocks.append(self._attention(context, width, heads))
            blocks.append(self._feed_forward(context, width, ratio))
        return [*blocks, self._token_scores(context, width)]

    @cached_property
    def all(self) -> dict[str, Block]:
        """Key -> block for every block that occurs."""
        blocks = (block for table in self._tables for block in table.reshape(-1).tolist())
        return {block.key: block for block in blocks}

    def counts(self, codes: Codes) -> NDArray[np.int32]:
        """Return how often each block of `all` occurs, int array [n, keys]."""
        counts = np.zeros((len(codes), len(self.all)), dtype=np.int32)
        embedding, scores, attention, feed_forward = self._columns
        rows = np.arange(len(codes))
        context = codes[:, CONTEXT]
        width = codes[:, WIDTH]
        for columns in (embedding, scores):
            counts[rows, columns[context, width]] += 1

        depths = self.sizes.depths_of(codes)
        for layer in range(max(self.sizes.depths)):
            # Layers beyond the depth are not executed.
            present = rows[depths > layer]
            for offset, columns in enumerate((attention, feed_forward)):
                size = codes[present, LAYERS + 2 * layer + offset]
                counts[present, columns[context[present], width[present], size]] += 1

        return counts

    @cached_property
    def _columns(self) -> list[NDArray[np.int64]]:
        """Column of the counts of each block in `_tables`."""
        column = {key: index for index, key in enumerate(self.all)}
        column_of = np.vectorize(lambda block: column[block.key], otypes=[np.int64])
        return [column_of(table) for table in self._tables]

    @cached_property
    def _tables(self) -> tuple[_Table, ...]:
        """Blocks by the codes of context, width and a layer's size.

        They are embeddings and token scores [contexts, widths], attention blocks [contexts, widths,
        heads] and feed-forward blocks [contexts, widths, ratios].
        """
        return (
            self._table(self._embedding),
            self._table(self._token_scores),
            self._table(self._attention, self.sizes.heads),
            self._table(self._feed_forward, self.sizes.ratios),
        )

    def _table(self, make: Callable[..., Block], *last: Sequence[int]) -> _Table:
        axes = (self.sizes.contexts, self.sizes.widths, *last)
        blocks: _Table = np.empty(tuple(map(len, axes)), dtype=object)
        for index in np.ndindex(blocks.shape):
            blocks[index] = make(*(axis[code] for axis, code in zip(axes, index, strict=True)))
        return blocks

    def _embedding(self, context: int, width: int) -> Block:
        tokens = self.tokens(context)
        return Block("embedding", (tokens,), (tokens, width), vocabulary=self.vocabulary)

    def _attention(self, context: int, width: int, heads: int) -> Block:
        features = (self.tokens(context), width)
        return Block(
            "attention",
            features,
            features,
            hidden=heads * self.sizes.head_size,
            heads=heads,
            context=context,
            cached=self.cached(context) or None,
        )

    def _feed_forward(self, context: int, width: int, ratio: int) -> Block:
        features = (self.tokens(context), width)
        return Block(
            "feed_forward", features, features, expansion=ratio, activation="gelu", shortcut=True
        )

    def _token_scores(self, context: int, width: int) -> Block:
        tokens = self.tokens(context)
        return Block("token_scores", (tokens, width), (tokens, self.vocabulary))
