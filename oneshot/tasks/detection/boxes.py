"""Boxes (left, top, right, bottom): areas, intersections over unions, and their coding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

VARIANCES = (0.1, 0.2)
"""Scales of the coded centres and sizes (SSD's release)."""

# Sizes change by a factor of 1000 / 16 at most, as in Faster R-CNN, so that none is infinite.
_LARGEST_LOG = math.log(1000 / 16)


def areas(boxes: Tensor) -> Tensor:
    """Return the areas [...] of boxes [..., 4]."""
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(
        min=0
    )


def ious(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of each box with each other one.

    Args:
        first: Boxes [..., n, 4].
        second: Boxes [..., m, 4].

    Returns:
        Values from 0 to 1 [..., n, m]; 0 where both boxes have no area.

    Example:
        >>> import torch
        >>> ious(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2]])).item()
        0.3333333432674408
    """
    low = torch.maximum(first[..., :, None, :2], second[..., None, :, :2])
    high = torch.minimum(first[..., :, None, 2:], second[..., None, :, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    union = areas(first)[..., :, None] + areas(second)[..., None, :] - common
    return common / union.clamp(min=torch.finfo(union.dtype).tiny)


def generalised_ious(first: Tensor, second: Tensor) -> Tensor:
    """Return the generalised IoU of pairs of boxes (Rezatofighi et al., arXiv 1902.09630).

    With the smallest box C around both, it is IoU - |C without the union| / |C|, from -1 to 1, and
    has gradients where boxes are apart.

    Args:
        first: Boxes [..., 4].
        second: Boxes [..., 4].
    """
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    common = (high - low).clamp(min=0).prod(-1)
    union = areas(first) + areas(second) - common

    around = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(
        first[..., :2], second[..., :2]
    )
    hull = around.prod(-1)
    tiny = torch.finfo(union.dtype).eps
    return common / union.clamp(min=tiny) - (hull - union) / hull.clamp(min=tiny)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Return boxes as offsets from anchors: centres in units of sides, and logarithms of sides.

    Args:
        boxes: Boxes [..., 4] with an area.
        anchors: Anchor of each box [..., 4].

    Example:
        >>> import torch
        >>> anchor = torch.tensor([0.0, 0.0, 10.0, 10.0])
        >>> encode(torch.tensor([1.0, 0.0, 11.0, 10.0]), anchor).tolist()
        [1.0, 0.0, 0.0, 0.0]
    """
    centres, sides = _centres_and_sides(boxes)
    anchor_centres, anchor_sides = _centres_and_sides(anchors)
    return torch.cat(
        [
            (centres - anchor_centres) / anchor_sides / VARIANCES[0],
            (sides / anchor_sides).log() / VARIANCES[1],
        ],
        -1,
    )


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Return the boxes [..., 4] of offsets from anchors, the inverse of `encode`."""
    anchor_centres, anchor_sides = _centres_and_sides(anchors)
    centres = offsets[..., :2] * VARIANCES[0] * anchor_sides + anchor_centres
    sides = (offsets[..., 2:] * VARIANCES[1]).clamp(max=_LARGEST_LOG).exp() * anchor_sides
    return torch.cat([centres - sides / 2, centres + sides / 2], -1)


def _centres_and_sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
