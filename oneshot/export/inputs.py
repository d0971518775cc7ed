"""Inputs that networks are exported and compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from spaces.space import SearchSpace

INPUT = "image"


@dataclass(frozen=True)
class NetworkInputs:
    """Inputs that a network is exported and compared with.

    Args:
        names: Name of each tensor.
        make: Makes random inputs of a batch size.
        lengths: Name of a tensor -> its dimension that has any size, such as that of a cache.

    Example:
        >>> NetworkInputs.from_shape((3, 8, 8)).make(2).shape
        torch.Size([2, 3, 8, 8])
    """

    names: tuple[str, ...]
    make: Callable[[int], Any]
    lengths: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_shape(cls, shape: tuple[int, ...]) -> NetworkInputs:
        """Return images of a shape (channels, height, width)."""

        def make(count: int) -> Tensor:
            return torch.randn(count, *shape, generator=torch.Generator().manual_seed(count))

        return cls((INPUT,), make)

    @classmethod
    def from_space(cls, space: SearchSpace, architecture: Architecture) -> NetworkInputs:
        """Return inputs of a space's networks, which may be several tensors, or tokens."""

        def make(count: int) -> Any:
            generator = torch.Generator().manual_seed(count)
            return space.random_input(architecture, count, generator)

        names = space.input_names(architecture)
        # Keys and values [b, heads, tokens, head size].
        lengths = {name: 2 for name in names if name.startswith("past_")}
        return cls(tuple(names), make, lengths)


def as_inputs(inputs: NetworkInputs | tuple[int, ...]) -> NetworkInputs:
    """Return inputs, of which the shape of an image is a short form."""
    return NetworkInputs.from_shape(inputs) if isinstance(inputs, tuple) else inputs
