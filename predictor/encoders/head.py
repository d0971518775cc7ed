"""The head that turns features of architectures into scores."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import nn


def scoring_head(channels: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers to one score, each hidden one with ReLU and dropout behind it.

    Args:
        channels: of the features.
        hidden: channels of the hidden layers; none: the head is linear.
        dropout: behind each of them.

    Shapes:
        features [n, channels] -> [n, 1].
    """
    widths = [channels, *hidden]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 1))
