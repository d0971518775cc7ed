"""Operators of decoders of text: token embedding, causal attention, feed-forward, token scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import (
    Activation,
    Branch,
    CausalAttention,
    Dropout,
    LayerNorm,
    Projection,
    Shape,
    TokenEmbedding,
)

if TYPE_CHECKING:
    from spaces.block import Block

# No dropout unless the space sets one: a block's key, under which costs are recorded, has none.
_DROPOUT = Dropout(0.0)


class EmbeddingOperator:
    """The learned vectors of tokens, and dropout."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        width = block.output[1]
        embedding = TokenEmbedding(block.vocabulary or 1, width)
        return {"main": ((embedding, _DROPOUT), block.input)}


class AttentionOperator:
    """Layer normalisation and causal self-attention with rotated positions, and a shortcut."""

    arrangement: Arrangement = "attention"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        width = block.input[1]
        cached = block.cached or 0
        attention = CausalAttention(
            width=width,
            hidden=block.hidden or width,
            heads=block.heads or 1,
            context=block.context or cached + block.input[0],
            cached=cached,
        )
        return {"main": ((LayerNorm(width), attention, _DROPOUT), block.input)}


class FeedForwardOperator:
    """Layer normalisation and two projections of each token with an activation between them."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        width = block.input[1]
        hidden = width * (block.expansion or 1)
        layers = (
            LayerNorm(width),
            Projection(width, hidden),
            Activation(block.activation or "gelu"),
            Projection(hidden, width),
            _DROPOUT,
        )
        return {"main": (layers, block.input)}


class TokenScoresOperator:
    """Layer normalisation and a projection of each token to a score of every next token."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        width = block.input[1]
        layers = (LayerNorm(width), Projection(width, block.output[1]))
        return {"main": (layers, block.input)}


register_operator("embedding", EmbeddingOperator())
register_operator("attention", AttentionOperator())
register_operator("feed_forward", FeedForwardOperator())
register_operator("token_scores", TokenScoresOperator())
