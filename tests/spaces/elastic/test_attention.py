"""Attention with fewer heads equals torch's without these heads."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from spaces.elastic.attention import FewerHeads

WIDTH, HEADS, SIZE = 24, 4, 6
KEPT = (0, 2, 3)


def cut(module: nn.MultiheadAttention) -> nn.MultiheadAttention:
    """A copy of a module with the heads of `KEPT`."""
    small = copy.deepcopy(module)
    columns = torch.cat([torch.arange(SIZE) + head * SIZE for head in KEPT])
    rows = torch.cat([columns + section * WIDTH for section in range(3)])
    small.in_proj_weight = nn.Parameter(module.in_proj_weight.detach()[rows])
    small.in_proj_bias = nn.Parameter(module.in_proj_bias.detach()[rows])
    small.out_proj.weight = nn.Parameter(module.out_proj.weight.detach()[:, columns])
    small.num_heads = len(KEPT)
    FewerHeads.convert(small)
    return small


def masked(module: nn.MultiheadAttention) -> nn.MultiheadAttention:
    """A copy in which nothing reads the other heads."""
    copied = copy.deepcopy(module)
    with torch.no_grad():
        copied.out_proj.weight[:, SIZE : 2 * SIZE] = 0
    return copied


def attention(batch_first: bool = True) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first).eval()
    with torch.no_grad():
        module.in_proj_bias.normal_()
        module.out_proj.bias.normal_()
    return module


def tokens(*shape: int) -> Tensor:
    return torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(1))


PADDING = torch.tensor([[False] * 5, [False, False, False, True, True]])
CAUSAL = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
NUMBERS = torch.randn(5, 5, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    "masks",
    [
        {},
        {"key_padding_mask": PADDING},
        {"attn_mask": CAUSAL},
        {"attn_mask": NUMBERS},
        {"attn_mask": CAUSAL, "key_padding_mask": PADDING},
    ],
    ids=["none", "padding", "causal", "numbers", "both"],
)
def test_fewer_heads_equal_masked_attention(
    batch_first: bool, need_weights: bool, masks: dict[str, Tensor]
) -> None:
    module = attention(batch_first)
    inputs = tokens(2, 5) if batch_first else tokens(5, 2)

    with torch.no_grad():
        result, weights = cut(module)(inputs, inputs, inputs, need_weights=need_weights, **masks)
        expected, _ = masked(module)(inputs, inputs, inputs, need_weights=False, **masks)

    assert torch.allclose(result, expected, atol=1e-5)
    assert (weights is None) != need_weights
    if weights is not None:
        assert weights.shape == (2, 5, 5)
        assert torch.allclose(weights.sum(-1), torch.ones(2, 5), atol=1e-5)


def test_queries_of_another_sequence_and_without_a_batch() -> None:
    module = attention()
    queries, keys = tokens(3), tokens(5)

    with torch.no_grad():
        result, weights = cut(module)(queries, keys, keys)
        expected, _ = masked(module)(queries, keys, keys)

    assert torch.allclose(result, expected, atol=1e-5)
    assert weights is not None
    assert weights.shape == (3, 5)
