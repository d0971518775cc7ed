"""Small networks whose proxies are computed in two ways."""

import torch
from torch import nn


def convolutional(seed: int = 0, bias: bool = True) -> nn.Sequential:
    """Return two convolutions with batch normalisation, and a classifier with bias or without."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, 3, padding=1, groups=2, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4, bias=bias),
    )
