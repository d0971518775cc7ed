"""Networks that are decoders of text, and one step of their incremental decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from spaces.block import Block
from spaces.errors import ContextExceeded
from spaces.modules.blocks import build
from spaces.modules.text import AttentionBlock, KeysValues

Cache: TypeAlias = tuple[KeysValues, ...]
"""Keys and values of the tokens so far, for each attention block in order."""


class DecoderNetwork(nn.Module):
    """A causal transformer that maps tokens to scores of the next one.

    Args:
        blocks: Blocks of an architecture: embedding, attention and feed-forward blocks, scores.

    Example:
        >>> import spaces
        >>> space = spaces.get("decoder-tiny")
        >>> network = space.network(space.architecture([0] * len(space.choices))).eval()
        >>> tokens = torch.tensor([[3, 1, 4, 1, 5]])
        >>> scores, _ = network(tokens)
        >>> scores.shape
        torch.Size([1, 5, 16])
        >>> cache = network.empty_cache(1)
        >>> for position in range(5):
        ...     step, cache = network(tokens[:, position : position + 1], cache)
        >>> torch.allclose(step[:, 0], scores[:, 4], atol=1e-5)
        True
    """

    def __init__(self, blocks: Sequence[Block]):
        super().__init__()
        self.blocks = nn.ModuleList(build(block) for block in blocks)
        attention = [block for block in blocks if block.operator == "attention"]
        self.context = attention[0].context or 1
        self.cache_shapes = [_cache_shape(block) for block in attention]

    def forward(self, tokens: Tensor, state: Cache | None = None) -> tuple[Tensor, Cache | None]:
        """Return the scores of the next tokens [b, length, vocabulary] and the state.

        Args:
            tokens: Indices of the tokens [b, length]. Without a state, a text that is longer than
                the context is read in pieces of the context.
            state: Cache of the tokens before these; None: there is none, and none is returned.

        Raises:
            ContextExceeded: With a state, all tokens together are longer than the context.
        """
        if state is None:
            return in_pieces(self._without_cache, tokens, self.context), None

        check_length(state[0][0].shape[2] + tokens.shape[1], self.context)
        embedding, *layers, scores = self.blocks
        x = embedding(tokens)
        remaining = iter(state)
        present: list[KeysValues] = []

        for layer in layers:
            if isinstance(layer, AttentionBlock):
                x, keys_values = layer(x, next(remaining))
                present.append(keys_values)
            else:
                x = layer(x)

        return scores(x), tuple(present)

    def empty_cache(self, batch: int) -> Cache:
        """Return the cache before the first token.

        Args:
            batch: Batch size.
        """
        weight = next(self.parameters())
        return tuple(
            (weight.new_zeros(batch, heads, 0, size), weight.new_zeros(batch, heads, 0, size))
            for heads, size in self.cache_shapes
        )

    def _without_cache(self, tokens: Tensor) -> Tensor:
        x = tokens
        for block in self.blocks:
            x = block(x)
        return x


class DecodingStep(nn.Module):
    """A network that decodes one token with a cache, which is among its inputs.

    Args:
        network: Network that decodes.
    """

    def __init__(self, network: DecoderNetwork):
        super().__init__()
        self.network = network
        self.blocks = network.blocks

    def forward(self, inputs: tuple[Tensor, Cache]) -> Any:
        """Return scores [b, 1, vocabulary] and the extended cache.

        Args:
            inputs: Index of the token [b, 1], and the cache.
        """
        return self.network(*inputs)


def in_pieces(run: Callable[[Tensor], Tensor], tokens: Tensor, context: int) -> Tensor:
    """Run tokens [b, length] in pieces of at most `context`, and join the outputs.

    Args:
        run: Function of tokens [n, at most context] that returns [n, tokens, ...].
        tokens: Indices of the tokens.
        context: Greatest number of tokens of a piece.

    Returns:
        Outputs [b, length, ...].
    """
    batch, length = tokens.shape
    if length <= context:
        return run(tokens)

    # Pieces of one length are one batch, which is faster than one after the other.
    count = length // context
    whole = run(tokens[:, : count * context].reshape(batch * count, context))
    outputs = whole.view(batch, count * context, *whole.shape[2:])
    if length > count * context:
        outputs = torch.cat([outputs, run(tokens[:, count * context :])], 1)
    return outputs


def check_length(length: int, context: int) -> None:
    """Raise ContextExceeded where `length` tokens are longer than a network's context."""
    if length > context:
        raise ContextExceeded(
            f"{length} tokens are longer than the network's context of {context}; give fewer, or"
            " choose a network of a longer context"
        )


def _cache_shape(block: Block) -> tuple[int, int]:
    """Return the number of heads and the size of each of an attention block."""
    heads = block.heads or 1
    return heads, (block.hidden or block.input[1]) // heads
