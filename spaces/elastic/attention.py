"""Heads of `torch.nn.MultiheadAttention`, whose features are those of all its heads together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spaces.elastic.coupling import ChannelGroup
from spaces.elastic.slices import AttributeSlice, Slices, TensorSlice


class FewerHeads(nn.MultiheadAttention):
    """Multi-head attention with fewer heads of the original size.

    torch's own has as many features as its heads together. This one keeps the features of its
    inputs and outputs, with projections to fewer of them in between. It is made of a cut module,
    never by its constructor.
    """

    @classmethod
    def convert(cls, module: nn.MultiheadAttention) -> None:
        """Turn a module whose projections have been cut into one of this class, in place."""
        module.__class__ = cls
        # Layers of transformers then call this module, rather than a kernel for equal features.
        module._qkv_same_embed_dim = False

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the attended features and, if needed, the weights of the attention."""
        is_batched = query.ndim == 3
        inputs = [query, key, value]
        if not is_batched:
            inputs = [tensor[None] for tensor in inputs]
        elif not self.batch_first:
            inputs = [tensor.transpose(0, 1) for tensor in inputs]

        projected = self._projected(inputs)
        mask = self._mask(attn_mask, key_padding_mask, projected[0], is_causal)
        weights: Tensor | None = None
        if need_weights:
            scores = projected[0] @ projected[1].transpose(2, 3) / self.head_dim**0.5
            weights = (scores if mask is None else scores + mask).softmax(-1)
            weights = functional.dropout(weights, self.dropout, self.training)
            mixed = weights @ projected[2]
            weights = weights.mean(1) if average_attn_weights else weights
        else:
            dropout = self.dropout if self.training else 0.0
            queries, keys, values = projected
            mixed = functional.scaled_dot_product_attention(queries, keys, values, mask, dropout)

        features = self.out_proj(mixed.transpose(1, 2).flatten(2))
        if not is_batched:
            return features[0], None if weights is None else weights[0]
        return (features if self.batch_first else features.transpose(0, 1)), weights

    def _projected(self, inputs: list[Tensor]) -> list[Tensor]:
        """Return queries, keys and values, [b, heads, tokens, head size] each."""
        weights = self.in_proj_weight.chunk(3)
        biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        return [
            functional.linear(tensor, weight, bias)
            .reshape(*tensor.shape[:2], self.num_heads, self.head_dim)
            .transpose(1, 2)
            for tensor, weight, bias in zip(inputs, weights, biases, strict=True)
        ]

    def _mask(
        self, mask: Tensor | None, padding: Tensor | None, query: Tensor, is_causal: bool
    ) -> Tensor | None:
        """Return the bias of the scores, which broadcasts to [b, heads, tokens, tokens]."""
        if is_causal and mask is None:
            raise RuntimeError("attention that is causal needs its mask")
        total = None if mask is None else _additive(mask, query)
        if total is not None and total.ndim == 3:
            # Of each row and head; heads that were removed take theirs along.
            total = total.reshape(len(query), -1, *total.shape[1:])
            if total.shape[1] != self.num_heads:
                raise RuntimeError("masks of each head cannot be cut")
        if padding is None:
            return total
        hidden = _additive(padding, query).reshape(-1, 1, 1, padding.shape[-1])
        return hidden if total is None else total + hidden


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    """Return a mask as numbers that are added to scores."""
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, float("-inf"))


def attention_groups(model: nn.Module, paths: Iterable[str]) -> Iterator[ChannelGroup]:
    """Yield the heads of each `MultiheadAttention` as a group of coupled channels.

    Args:
        model: Network.
        paths: Paths of modules that run.
    """
    for path in paths:
        module: Any = model.get_submodule(path)
        # Subclasses have a forward method of their own.
        if type(module) is not nn.MultiheadAttention or module.num_heads < 2:
            continue
        if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
            continue

        width = module.embed_dim
        rows = np.arange(3 * width)
        columns = np.arange(width)
        prefix = f"{path}." if path else ""
        tensors = [
            TensorSlice(f"{prefix}in_proj_weight", 0, rows, rows % width // module.head_dim),
            TensorSlice(
                f"{prefix}out_proj.weight", 1, columns, columns // module.head_dim, is_product=True
            ),
        ]
        if module.in_proj_bias is not None:
            name = f"{prefix}in_proj_bias"
            tensors.append(TensorSlice(name, 0, rows, rows % width // module.head_dim))
        attributes = (
            AttributeSlice(path, "num_heads", 1),
            AttributeSlice(f"{prefix}out_proj", "in_features", module.head_dim),
        )
        heads = module.num_heads
        slices = Slices(tuple(tensors), attributes, attentions=(path,))
        yield ChannelGroup(path, (), heads, heads, slices)
