"""Decoders of text for processors: causal transformers of 0.1 to 3 million parameters.

The elastic sizes are those of Hardware-Aware Transformers (Wang et al., ACL 2020, arXiv 2005.14187)
for a decoder alone: normalisation before each block, as in GPT-2, and queries and keys rotated by
their positions, as in RoFormer (Su et al., arXiv 2104.09864), which learns in fewer updates than
learned vectors of positions.
"""

from __future__ import annotations

from spaces.decoders.sizes import Sizes
from spaces.decoders.space import DecoderSpace
from spaces.registry import register_space
from spaces.space import SearchSpace


@register_space("decoder")
def decoder(
    name: str,
    /,
    *,
    contexts: tuple[int, ...] = (64, 128, 256),
    depths: tuple[int, ...] = (2, 3, 4, 5, 6),
    widths: tuple[int, ...] = (96, 128, 160, 192),
    heads: tuple[int, ...] = (2, 3, 4, 6),
    ratios: tuple[int, ...] = (2, 3, 4),
    head_size: int = 32,
    vocabulary: int = 256,
    dropout: float = 0.0,
) -> SearchSpace:
    """Build decoders; those of 256 tokens read the bytes of any text.

    Args:
        contexts: Greatest numbers of tokens that a network attends to.
        depths: Numbers of layers.
        widths: Numbers of features of a token.
        heads: Numbers of attention heads of a layer.
        ratios: Ratios of a layer's inner channels to the width.
        head_size: Number of features of each head, even.
        vocabulary: Number of different tokens.
        dropout: Probability of dropout in training.
    """
    sizes = Sizes(contexts, depths, widths, heads, ratios, head_size, dropout)
    return DecoderSpace(name, sizes, vocabulary)


@register_space("decoder-tiny")
def decoder_tiny(
    name: str,
    /,
    *,
    contexts: tuple[int, ...] = (8, 16),
    depths: tuple[int, ...] = (1, 2),
    widths: tuple[int, ...] = (16, 24, 32),
    heads: tuple[int, ...] = (1, 2),
    ratios: tuple[int, ...] = (1, 2),
    head_size: int = 8,
    vocabulary: int = 16,
    dropout: float = 0.0,
) -> SearchSpace:
    """Build decoders of a few thousand parameters, for tests; arguments as of `decoder`."""
    sizes = Sizes(contexts, depths, widths, heads, ratios, head_size, dropout)
    return DecoderSpace(name, sizes, vocabulary)
