"""Modules of decoders of text, with functions that slices of shared weights use as well."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

KeysValues: TypeAlias = tuple[Tensor, Tensor]
"""Keys and values of the tokens that a block has seen, [b, heads, tokens, head size] each."""

# Of the vectors of tokens: below that of what a block adds, which is near 1.
_TOKEN_DEVIATION = 0.5


class Rotation(nn.Module):
    """Rotates queries and keys by angles that grow with their positions, as RoFormer does.

    The product of a query and a key then depends on the distance of their tokens, not on where in
    the text they are (Su et al., arXiv 2104.09864, equation 34).

    Args:
        positions: Number of positions.
        size: Number of features of a head, which is even.
    """

    cosines: Tensor
    sines: Tensor

    def __init__(self, positions: int, size: int):
        super().__init__()
        for name in ("cosines", "sines"):
            self.register_buffer(name, torch.empty(positions, size // 2), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the angles, which are not learned: position / 10000^(2i / size) of the ith pair."""
        positions, pairs = self.cosines.shape
        position = torch.arange(positions, device=self.cosines.device)[:, None]
        angles = position * 10000.0 ** (-torch.arange(pairs, device=position.device) / pairs)
        self.cosines.copy_(angles.cos())
        self.sines.copy_(angles.sin())

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """Return rotated features.

        Args:
            x: Features [b, length, ..., heads, size], with the first half of a head's features
                paired with the second.
            start: Position of the first token.
        """
        rows = slice(start, start + x.shape[1])
        angles_shape = (-1, *[1] * (x.ndim - 3), x.shape[-1] // 2)
        cosines = self.cosines[rows].view(angles_shape)
        sines = self.sines[rows].view(angles_shape)
        first, second = x.chunk(2, -1)
        return torch.cat([first * cosines - second * sines, first * sines + second * cosines], -1)


class Attention(nn.Module):
    """Causal self-attention of several heads (arXiv 1706.03762, section 3.2).

    Args:
        width: Number of features of a token.
        hidden: Number of features of the queries, over all heads.
        heads: Number of heads.
        context: Number of positions.
    """

    def __init__(self, width: int, hidden: int, heads: int, context: int):
        super().__init__()
        self.heads = heads
        self.rotation = Rotation(context, hidden // heads)
        self.inputs = nn.Linear(width, 3 * hidden, bias=False)
        self.outputs = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, past: KeysValues | None) -> tuple[Tensor, KeysValues]:
        """Return features [b, length, width], and the keys and values up to the last token."""
        weights = (self.inputs.weight, self.outputs.weight)
        return attend(x, weights, self.heads, self.rotation, past)


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
    x: Tensor,
    weights: tuple[Tensor, Tensor],
    heads: int,
    rotation: Rotation,
    past: KeysValues | None,
) -> tuple[Tensor, KeysValues]:
    """Compute causal self-attention with weights from anywhere.

    Args:
        x: Features [b, length, width].
        weights: Those of the queries, keys and values [3 x hidden, width], and of the outputs
            [width, hidden].
        heads: Number of heads.
        rotation: Rotation of the queries and keys by their positions.
        past: Keys and values of earlier tokens; None: there are none.

    Returns:
        Features [b, length, width], and the keys and values up to the last token.
    """
    batch, length, _ = x.shape
    inputs, outputs = weights
    projected = linear(x, inputs).view(batch, length, 3, heads, -1)
    rotated = rotation(projected[:, :, :2], 0 if past is None else past[0].shape[2])
    query, key = rotated.permute(2, 0, 3, 1, 4).unbind(0)
    value = projected[:, :, 2].transpose(1, 2)

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
    """Initialise with normal weights that keep the variance of what they project.

    GPT-2's deviation of 0.02 suits its 768 features: that of narrow decoders must be larger, or
    their first hundreds of updates only make their weights grow.
    """
    for submodule in module.modules():
        if isinstance(submodule, nn.Linear):
            deviation = submodule.in_features**-0.5
            nn.init.normal_(submodule.weight, 0.0, deviation, generator=generator)
        elif isinstance(submodule, nn.Embedding):
            nn.init.normal_(submodule.weight, 0.0, _TOKEN_DEVIATION, generator=generator)
        elif isinstance(submodule, nn.LayerNorm):
            nn.init.ones_(submodule.weight)
            nn.init.zeros_(submodule.bias)


def set_dropout(module: nn.Module, probability: float) -> None:
    """Set the probability of all dropout of a module."""
    for submodule in module.modules():
        if isinstance(submodule, nn.Dropout):
            submodule.p = probability
