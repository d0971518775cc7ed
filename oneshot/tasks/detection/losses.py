"""Losses of detectors: of classes and of boxes, each summed over the locations of an image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from oneshot.tasks.detection.boxes import encode, generalised_ious
from oneshot.tasks.detection.locations import Locations

NEGATIVES = 3
"""Hardest negatives for each positive location (SSD)."""

ALPHA, GAMMA = 0.25, 2.0
"""Weight of objects and exponent of the focal loss (Lin et al., arXiv 1708.02002)."""


def hardest_cross_entropy(
    scores: Tensor, classes: Tensor, positive: Tensor, negative: Tensor, smoothing: float = 0.0
) -> Tensor:
    """Return the cross-entropy of positive locations and of the hardest negative ones, summed.

    There are three negatives for each positive location; in an image without objects as many as
    for a single one.

    Args:
        scores: Logits, of which channel 0 is the background [locations, 1 + classes].
        classes: Class of each location from 1 on, 0 where there is none, int64 [locations].
        positive: Locations with an object, bool [locations].
        negative: Locations without an object, bool [locations].
        smoothing: Label smoothing.
    """
    losses = functional.cross_entropy(scores, classes, reduction="none", label_smoothing=smoothing)
    count = NEGATIVES * int(positive.sum().clamp(min=1))
    hardest = losses[negative].topk(min(count, int(negative.sum()))).values
    return losses[positive].sum() + hardest.sum()


def focal_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the focal loss of each location and class, [locations, classes].

    Args:
        logits: Logits of independent classes [locations, classes].
        targets: 1 for the class of an object, otherwise 0 [locations, classes].
    """
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probabilities = logits.sigmoid()
    miss = probabilities * (1 - targets) + (1 - probabilities) * targets
    weights = ALPHA * targets + (1 - ALPHA) * (1 - targets)
    return weights * miss**GAMMA * losses


def box_losses(
    kind: str, locations: Locations, offsets: Tensor, positive: Tensor, boxes: Tensor
) -> Tensor:
    """Return the loss of the box of each positive location [k].

    Args:
        kind: `smooth-l1`, of coded boxes (Girshick, arXiv 1504.08083), or `giou`, 1 - GIoU.
        locations: Locations of the predictions.
        offsets: Predicted offsets of an image [locations, 4].
        positive: Locations with an object, bool [locations], k of them.
        boxes: Their objects [k, 4].
    """
    if kind == "smooth-l1":
        assert locations.anchors is not None
        targets = encode(boxes, locations.anchors[positive])
        return functional.smooth_l1_loss(offsets[positive], targets, reduction="none").sum(1)
    return 1 - generalised_ious(locations.boxes(offsets)[positive], boxes)


def centerness(locations: Locations, positive: Tensor, boxes: Tensor) -> Tensor:
    """Return how central positive locations are in their objects, from 0 to 1 [k].

    The root of the ratios of opposite distances, horizontally and vertically (FCOS, Tian et al.,
    arXiv 1904.01355, equation 3).

    Args:
        locations: Locations of the predictions.
        positive: Locations with an object, bool [locations], k of them.
        boxes: Their objects [k, 4].
    """
    centres = locations.centres[positive]
    low = centres - boxes[:, :2]
    high = boxes[:, 2:] - centres
    ratios = torch.minimum(low, high) / torch.maximum(low, high)
    return ratios.clamp(min=0).prod(1).sqrt()
