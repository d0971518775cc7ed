"""Modules without weights that arrange what the last layers of heads return."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

SCORE_BIAS = -math.log(99)
"""Bias of scores that begin with a probability of .01 (arXiv 1708.02002, section 4.1)."""

DISTANCE_BIAS = 4.0
"""Bias of distances that begin with boxes of about 8 strides, the anchors of ATSS."""


class SingleOutput(nn.Module):
    """Returns the only output."""

    def forward(self, values: list[Tensor]) -> Tensor:
        (value,) = values
        return value


class AnchorOutputs(nn.Module):
    """Arranges scores and offsets of anchors by location, from the finest level to the coarsest.

    Takes the scores [b, anchors * channels, h, w] and offsets [b, anchors * 4, h, w] of each level
    in turn; returns `scores` [b, locations, channels] and `offsets` [b, locations, 4].

    Args:
        num_anchors: Number of anchors of a cell.
    """

    def __init__(self, num_anchors: int):
        super().__init__()
        self.num_anchors = num_anchors

    def forward(self, values: list[Tensor]) -> dict[str, Tensor]:
        return {
            "scores": by_location(values[::2], self.num_anchors),
            "offsets": by_location(values[1::2], self.num_anchors),
        }


class DistanceOutputs(nn.Module):
    """Arranges predictions without anchors by location, from the finest level to the coarsest.

    Takes the scores [b, classes, h, w], and the distances with the centerness [b, 5, h, w], of each
    level in turn; returns `scores` [b, locations, classes], `offsets` [b, locations, 4], and
    `centerness` [b, locations, 1]. Offsets are the distances to the left, top, right and bottom
    side in strides, which a softplus makes positive.
    """

    def forward(self, values: list[Tensor]) -> dict[str, Tensor]:
        boxes = by_location(values[1::2])
        return {
            "scores": by_location(values[::2]),
            "offsets": nn.functional.softplus(boxes[..., :4]),
            "centerness": boxes[..., 4:],
        }


def by_location(maps: Sequence[Tensor], num_anchors: int = 1) -> Tensor:
    """Concatenate predictions of all levels, cells row by row, anchors of a cell together.

    Args:
        maps: Predictions [b, anchors * channels, h, w] of each level.
        num_anchors: Number of anchors of a cell.

    Returns:
        Tensor [b, locations, channels].
    """
    # Not len(values): an export would fix the size of the batch.
    rows = [
        values.permute(0, 2, 3, 1).reshape(values.shape[0], -1, values.shape[1] // num_anchors)
        for values in maps
    ]
    return torch.cat(rows, 1)


def initialise_predictors(
    modules: Sequence[nn.Module], generator: torch.Generator, bias: float = 0.0
) -> None:
    """Set the last convolution of each module to N(0, 0.01^2) and its biases to one value.

    Args:
        modules: Modules whose last layer is a convolution with a bias.
        generator: Source of the weights.
        bias: Value of the biases.
    """
    for module in modules:
        *_, conv = (layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
        assert conv.bias is not None
        nn.init.normal_(conv.weight, 0.0, 0.01, generator=generator)
        nn.init.constant_(conv.bias, bias)
