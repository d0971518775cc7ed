"""Partial channels: a mixture of operations on some channels, next to which the others pass.

PC-DARTS: Xu et al., ICLR 2020 (arXiv 1907.05737; yuhuixu1993/PC-DARTS, model_search.py).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from spaces.block import Block


def is_operation(place: str) -> bool:
    """Return whether a module of a cell supernet is an operation on an edge, by its name."""
    # Such as cell_0/node_1/input_0/sep_conv_3x3 or stage_0/cell_0/edge_0_1/nor_conv_3x3.
    return place.count("/") == 3


def narrowed(block: Block, divisor: int) -> Block:
    """Return a block of 1 / `divisor` of the channels."""
    return replace(
        block,
        input=(block.input[0] // divisor, *block.input[1:]),
        output=(block.output[0] // divisor, *block.output[1:]),
    )


def partial_mixture(mixture: nn.Module, x: Tensor, divisor: int) -> Tensor:
    """Run a mixture on the first channels of a value, and shuffle its output with the others.

    Where the mixture halves the image, the other channels are halved by max pooling.

    Args:
        mixture: Module that maps 1 / `divisor` of the channels to as many.
        x: Value [n, channels, height, width].
        divisor: Ratio of the channels to those of the mixture; 1: the mixture runs on all.

    Example:
        >>> x = torch.arange(4.0).reshape(1, 4, 1, 1)
        >>> partial_mixture(nn.Identity(), x, 2).flatten().tolist()
        [0.0, 2.0, 1.0, 3.0]
    """
    if divisor == 1:
        output: Tensor = mixture(x)
        return output

    return shuffled(mixture(first_channels(x, divisor)), x)


def first_channels(x: Tensor, divisor: int) -> Tensor:
    """Return the first 1 / `divisor` of the channels of a value [n, channels, height, width]."""
    return x[:, : x.shape[1] // divisor]


def shuffled(mixed: Tensor, x: Tensor) -> Tensor:
    """Shuffle the output of a mixture with the channels that it did not read.

    Args:
        mixed: Output of the mixture, [n, count, height, width].
        x: Value whose first `count` channels it read, [n, channels, ...] of equal or twice the
            height and width.
    """
    count = mixed.shape[1]
    passed = x[:, count:]
    if mixed.shape[-1] != passed.shape[-1]:
        passed = nn.functional.max_pool2d(passed, 2)

    # Shuffled, so that the next mixture reads channels that passed here.
    joined = torch.cat([mixed, passed], 1)
    size, channels, *sides = joined.shape
    groups = joined.reshape(size, channels // count, count, *sides)
    return groups.transpose(1, 2).reshape(size, channels, *sides)
