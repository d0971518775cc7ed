"""Supernet of decoders: smaller ones are slices of the largest one's weights.

Every size is a number of leading channels, heads or layers, as in Hardware-Aware Transformers
(Wang et al., ACL 2020, arXiv 2005.14187, section 3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear

from spaces.architecture import Architecture
from spaces.modules.decoder import DecoderNetwork, in_pieces
from spaces.modules.elastic_supernet import SlicedSupernet
from spaces.modules.text import Rotation, attend

if TYPE_CHECKING:
    from spaces.decoders.sizes import Sizes
    from spaces.decoders.space import DecoderSpace


class ElasticLayerNorm(nn.LayerNorm):
    """Layer normalisation of as many of its first features as its input has."""

    def forward(self, x: Tensor) -> Tensor:
        width = x.shape[-1]
        return layer_norm(x, (width,), self.weight[:width], self.bias[:width], self.eps)


class ElasticEmbedding(nn.Module):
    """Vectors of tokens, of which the first features are used.

    Args:
        vocabulary: Number of different tokens.
        width: Greatest number of features.
        dropout: Probability of dropout.
    """

    def __init__(self, vocabulary: int, width: int, dropout: float):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        self.width = width

    def forward(self, tokens: Tensor) -> Tensor:
        vectors = nn.functional.embedding(tokens, self.token.weight[:, : self.width])
        result: Tensor = self.dropout(vectors)
        return result


class ElasticAttention(nn.Module):
    """An attention block that runs with its first features and heads.

    Args:
        width: Greatest number of features.
        sizes: Sizes of the space, of which the most heads and positions are built.
    """

    def __init__(self, width: int, sizes: Sizes):
        super().__init__()
        self.norm = ElasticLayerNorm(width)
        heads = max(sizes.heads)
        self.inputs = nn.Linear(width, 3 * heads * sizes.head_size, bias=False)
        self.outputs = nn.Linear(heads * sizes.head_size, width, bias=False)
        self.rotation = Rotation(max(sizes.contexts), sizes.head_size)
        self.dropout = nn.Dropout(sizes.dropout)
        self.largest = heads
        self.head_size = sizes.head_size
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        weights = self.slices(x.shape[-1], self.heads)
        update, _ = attend(self.norm(x), weights, self.heads, self.rotation, None)
        result: Tensor = x + self.dropout(update)
        return result

    def slices(self, width: int, heads: int) -> tuple[Tensor, Tensor]:
        """Return the weights of the first features and heads: inputs, outputs."""
        by_head = self.inputs.weight.view(3, self.largest, self.head_size, -1)
        inputs = by_head[:, :heads, :, :width].reshape(-1, width)
        return inputs, self.outputs.weight[:width, : heads * self.head_size]

    @torch.no_grad()
    def sort_heads(self) -> None:
        """Sort the heads by descending magnitude of the weights that read them."""
        outputs = self.outputs.weight
        by_head = outputs.view(len(outputs), self.largest, self.head_size)
        order = by_head.abs().sum((0, 2)).argsort(descending=True, stable=True)
        outputs.copy_(by_head[:, order].reshape(outputs.shape))
        inputs = self.inputs.weight
        by_head = inputs.view(3, self.largest, self.head_size, -1)
        inputs.copy_(by_head[:, order].reshape(inputs.shape))


class ElasticFeedForward(nn.Module):
    """A feed-forward block that runs with its first features and first inner channels.

    Args:
        width: Greatest number of features.
        ratio: Greatest ratio of inner channels to features.
        dropout: Probability of dropout.
    """

    def __init__(self, width: int, ratio: int, dropout: float):
        super().__init__()
        self.norm = ElasticLayerNorm(width)
        self.expand = nn.Linear(width, ratio * width, bias=False)
        self.project = nn.Linear(ratio * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.ratio = ratio

    def forward(self, x: Tensor) -> Tensor:
        expand, project = self.slices(x.shape[-1], self.ratio)
        hidden = nn.functional.gelu(linear(self.norm(x), expand))
        result: Tensor = x + self.dropout(linear(hidden, project))
        return result

    def slices(self, width: int, ratio: int) -> tuple[Tensor, Tensor]:
        """Return the weights of the first features and inner channels: expansion, projection."""
        hidden = ratio * width
        return self.expand.weight[:hidden, :width], self.project.weight[:width, :hidden]

    @torch.no_grad()
    def sort_channels(self) -> None:
        """Sort the inner channels by descending magnitude of the weights that read them."""
        order = self.project.weight.abs().sum(0).argsort(descending=True, stable=True)
        self.project.weight.copy_(self.project.weight[:, order])
        self.expand.weight.copy_(self.expand.weight[order])


class ElasticTokenScores(nn.Module):
    """Scores of the next token from the first features.

    Args:
        width: Greatest number of features.
        vocabulary: Number of different tokens.
    """

    def __init__(self, width: int, vocabulary: int):
        super().__init__()
        self.norm = ElasticLayerNorm(width)
        self.scores = nn.Linear(width, vocabulary, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return linear(self.norm(x), self.scores.weight[:, : x.shape[-1]])


class ElasticLayer(nn.Module):
    """The attention and the feed-forward block of one layer.

    Args:
        sizes: Sizes of the space, of which the greatest are built.
    """

    def __init__(self, sizes: Sizes):
        super().__init__()
        width = max(sizes.widths)
        self.attention = ElasticAttention(width, sizes)
        self.feed_forward = ElasticFeedForward(width, max(sizes.ratios), sizes.dropout)


class DecoderSupernet(SlicedSupernet):
    """The largest decoder, which runs as any smaller one.

    A text that is longer than the context of the active architecture is read in pieces of it, as
    by its network.

    Args:
        space: Space whose architectures it runs.
        vocabulary: Number of different tokens.
    """

    space: DecoderSpace

    def __init__(self, space: DecoderSpace, vocabulary: int):
        super().__init__(space)
        self.num_classes = vocabulary
        sizes = space.sizes
        width = max(sizes.widths)
        self.embedding = ElasticEmbedding(vocabulary, width, sizes.dropout)
        self.layers = nn.ModuleList(ElasticLayer(sizes) for _ in range(max(sizes.depths)))
        self.scores = ElasticTokenScores(width, vocabulary)
        self.context = max(sizes.contexts)
        self.depth = max(sizes.depths)

    def _activate(self, codes: NDArray[Any]) -> None:
        shape = self.space.sizes.shape_of(codes)
        self.context = shape.context
        self.depth = len(shape.layers)
        self.embedding.width = shape.width
        for layer, (heads, ratio) in zip(self._active_layers, shape.layers, strict=True):
            layer.attention.heads = heads
            layer.feed_forward.ratio = ratio

    def forward(self, tokens: Tensor, state: None = None) -> tuple[Tensor, None]:
        """Return the scores of the next tokens [b, length, vocabulary], and no state.

        Args:
            tokens: Indices of the tokens [b, length].
            state: None: a supernet has no cache.
        """
        return in_pieces(self._run, tokens, self.context), None

    def _run(self, tokens: Tensor) -> Tensor:
        x = tokens
        for module in self.path():
            x = module(x)
        return x

    def path(self) -> list[nn.Module]:
        """Return the modules that the active architecture executes, in order."""
        layers = self._active_layers
        blocks = [block for layer in layers for block in (layer.attention, layer.feed_forward)]
        return [self.embedding, *blocks, self.scores]

    @property
    def _active_layers(self) -> list[ElasticLayer]:
        return self._layers[: self.depth]

    @property
    def _layers(self) -> list[ElasticLayer]:
        return [layer for layer in self.layers if isinstance(layer, ElasticLayer)]

    def sort_channels(self, trained: int | None = None) -> None:
        """Sort the heads and the inner channels by importance.

        Args:
            trained: Not used: all sizes are trained together.
        """
        for layer in self._layers:
            layer.attention.sort_heads()
            layer.feed_forward.sort_channels()

    @torch.no_grad()
    def copy_to(self, network: nn.Module, architecture: Architecture) -> None:
        """Copy the weights of an architecture to its network.

        Args:
            network: Network of `space.network(architecture)` with as many tokens.
            architecture: Architecture of the space, which this activates.
        """
        assert isinstance(network, DecoderNetwork)
        self.activate(architecture)
        for target, source in zip(network.blocks, self.path(), strict=True):
            weights = _weights(source, self.embedding.width)
            for parameter, value in zip(target.parameters(), weights, strict=True):
                # The first features of each dimension.
                parameter.copy_(value[tuple(map(slice, parameter.shape))])


def _weights(source: nn.Module, width: int) -> list[Tensor]:
    """Return the weights of a block of the supernet in the order of a network's parameters."""
    parameters: list[Tensor] = list(source.parameters())
    if not isinstance(source, ElasticAttention):
        return parameters

    # The queries, keys and values of the first heads are not adjacent.
    scale, shift, *_ = parameters
    return [scale, shift, *source.slices(width, source.heads)]
