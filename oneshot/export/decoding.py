"""Networks of text as they are exported with a cache: one token at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from spaces.architecture import Architecture
from spaces.space import SearchSpace

DECODE = "decode"
"""Phase of spaces in which networks read one token with a cache."""

# Tokens of the shortest cache that an exported file is compared with.
_SHORT = 2


class NamedDecoder(nn.Module):
    """A network that decodes one token, with a name for each of its outputs.

    Args:
        network: Network that maps a token and a cache to scores and the extended cache.
        inputs: Names of its inputs: the token and the cached tensors.
    """

    def __init__(self, network: nn.Module, inputs: list[str]):
        super().__init__()
        self.network = network
        self.outputs = [name.replace("past_", "present_") for name in inputs[1:]]

    def forward(self, inputs: tuple[Tensor, Any]) -> dict[str, Tensor]:
        """Return `logits` [b, 1, vocabulary] and the tensors of the extended cache.

        Args:
            inputs: Index of the token [b, 1], and the cache.
        """
        scores, cache = self.network(*inputs)
        tensors = [tensor for pair in cache for tensor in pair]
        return {"logits": scores, **dict(zip(self.outputs, tensors, strict=True))}


def decoding_space(space: SearchSpace) -> SearchSpace:
    """Return a space in the phase of decoding.

    Raises:
        InvalidOption: Its networks decode no text with a cache.
    """
    if DECODE not in space.phases:
        raise InvalidOption(f"cache: networks of {space.name} have none; leave it out")
    return space.at_phase(DECODE)


def short_input(space: SearchSpace, architecture: Architecture) -> Any:
    """Return random inputs of a network with a cache of few tokens.

    Args:
        space: Space of the network.
        architecture: Architecture of the network.
    """
    generator = torch.Generator().manual_seed(0)
    return space.at_phase(DECODE, _SHORT).random_input(architecture, 2, generator)
