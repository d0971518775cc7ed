"""The Lovász-softmax loss: a surrogate of the mean IoU that gradients can follow.

Berman, Rannen Triki and Blaschko, CVPR 2018 (arXiv 1705.08790).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from oneshot.data.scenes.views import IGNORED


def lovasz_softmax(logits: Tensor, masks: Tensor) -> Tensor:
    """Return each image's mean Lovász extension of 1 - IoU over its classes, float [b].

    The error of a pixel for a class is 1 - p where the pixel has the class and p elsewhere, with
    the softmax's p (equation 8). Sorted by errors, each error is weighted by the growth of 1 - IoU
    when its pixel joins those that are wrong (equation 9). Where every p is 0 or 1 the loss is
    1 - IoU itself.

    Args:
        logits: Scores [b, classes, height, width].
        masks: Classes [b, height, width], int64; pixels of the value 255 do not count.

    Returns:
        Losses from 0 to 1; 0 for an image none of whose pixels counts.

    Example:
        >>> import torch
        >>> sure = torch.tensor([[[[9.0, 9, 9, -9]], [[-9, -9, -9, 9]]]]) * 9
        >>> lovasz_softmax(sure, torch.tensor([[[0, 0, 1, 1]]])).round(decimals=4)
        tensor([0.4167])
    """
    classes = logits.shape[1]
    pixels = masks.flatten(1)
    counted = pixels != IGNORED
    # [b, classes, pixels]; what does not count belongs to no class and has no error.
    members = functional.one_hot(pixels.masked_fill(~counted, 0), classes).transpose(1, 2)
    # In fp32, since half precision cannot count pixels.
    members = members.float() * counted[:, None]
    errors = (members - logits.float().softmax(1).flatten(2) * counted[:, None]).abs()

    order = _descending(errors.detach())
    weights = _growth_of_loss(members.gather(2, order))
    losses = (errors.gather(2, order) * weights).sum(2)

    present = members.amax(2)
    return (losses * present).sum(1) / present.sum(1).clamp(min=1)


def _descending(values: Tensor) -> Tensor:
    """Return the indices that sort the last dimension, greatest first."""
    if values.device.type != "cpu":
        return values.argsort(-1, descending=True)
    # NumPy's takes a sixth of the time of torch's on processors with AVX-512.
    return torch.from_numpy(np.argsort(-values.numpy(), axis=-1))


def _growth_of_loss(members: Tensor) -> Tensor:
    """Return how much 1 - IoU grows by each pixel when pixels become wrong one after the other.

    Args:
        members: 1 for the pixels of the class, in the order in which they become wrong
            [..., pixels].
    """
    size = members.sum(-1, keepdim=True)
    common = size - members.cumsum(-1)
    union = size + (1 - members).cumsum(-1)
    # A class without a pixel has no union before the first wrong one.
    lost = 1 - common / union.clamp(min=1)
    return torch.cat([lost[..., :1], lost[..., 1:] - lost[..., :-1]], -1)
