"""Modules of decoders of text, with functions that slices of shared weights use as well."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

KeysValues: TypeAlias = tuple[Tensor, Tensor]
"""Keys and values of the tokens that a block has seen, [b, heads, tokens, head size] each."""


class Embedding(nn.Module):
    """The learned vector of each token plus that of its position.

    Args:
        vocabulary: Number of different tokens.
        context: Number of positions.
        width: Number of features.
    """

    def __init__(self, vocabulary: int, context: int, width: int):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context, width)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Return features [b, length, width] of tokens [b, length].

        Args:
            tokens: Indices of the tokens.
            start: Position of the first one.
        """
        positions = self.position.weight[start : start + tokens.shape[1]]
        result: Tensor = self.token(tokens) + positions
        return result


class EmbeddingBlock(nn.Sequential):
    """An embedding and dropout."""

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Return features [b, length, width] of tokens [b, length] from the position `start` on."""
        embedding, dropout = self
        result: Tensor = dropout(embedding(tokens, start))
        return result


class Attention(nn.Module):
    """Causal self-attention of several heads (arXiv 1706.03762, section 3.2).

    Args:
        width: Number of features of a token.
        hidden: Number of features of the queries, over all heads.
        heads: Number of heads.
    """

    def __init__(self, width: int, hidden: int, heads: int):
        super().__init__()
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * hidden, bias=False)
        self.outputs = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, past: KeysValues | None) -> tuple[Tensor, KeysValues]:
        """Return features [b, length, width], and the keys and values up to the last token."""
        return attend(x, self.inputs.weight, self.outputs.weight, self.heads, past)


class AttentionBlock(nn.Module):
    """Normalisation, causal self-attention and dropout, with a shortcut.

    Args:
        main: The three layers.
    """

    def __init__(self, main: nn.Sequential):
        super().__init__()
        self.main = main

    def forward(self, x: Tensor, past: KeysValues | None = None) -> Any:
        """Compute features [b, length, width].

        Args:
            x: Features of the tokens.
            past: Keys and values of earlier tokens; None: there is no cache.

        Returns:
            The features; with a cache also the keys and values up to the last token.
        """
        norm, attention, dropout = self.main
        update, present = attention(norm(x), past)
        features = x + dropout(update)
        return features if past is None else (features, present)


def attend(
    x: Tensor, inputs: Tensor, outputs: Tensor, heads: int, past: KeysValues | None
) -> tuple[Tensor, KeysValues]:
    """Compute causal self-attention with weights from anywhere.

    Args:
        x: Features [b, length, width].
        inputs: Weights [3 x hidden, width] of the queries, keys and values.
        outputs: Weights [width, hidden].
        heads: Number of heads.
        past: Keys and values of earlier tokens; None: there are none.

    Returns:
        Features [b, length, width], and the keys and values up to the last token.
    """
    batch, length, _ = x.shape
    projected = linear(x, inputs).view(batch, length, 3, heads, -1)
    query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)

    mask: Tensor | None = None
    if past is not None:
        key = torch.cat([past[0], key], 2)
        value = torch.cat([past[1], value], 2)
        if length > 1:
            # Torch's own causal mask would align the first token with the first key.
            total = key.shape[2]
            mask = x.new_ones(length, total, dtype=torch.bool).tril(total - length)

    # A single token with a cache sees all keys, so that no mask is needed.
    features = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=past is None
    )
    features = features.transpose(1, 2).reshape(batch, length, -1)

    return linear(features, outputs), (key, value)


def initialise_text(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise as GPT-2 does: weights are normal with a deviation of 0.02."""
    for submodule in module.modules():
        if isinstance(submodule, nn.Linear | nn.Embedding):
            nn.init.normal_(submodule.weight, 0.0, 0.02, generator=generator)
        elif isinstance(submodule, nn.LayerNorm):
            nn.init.ones_(submodule.weight)
            nn.init.zeros_(submodule.bias)


def set_dropout(module: nn.Module, probability: float) -> None:
    """Set the probability of all dropout of a module."""
    for submodule in module.modules():
        if isinstance(submodule, nn.Dropout):
            submodule.p = probability
