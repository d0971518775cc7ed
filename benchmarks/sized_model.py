"""A small network whose widths are derived from others, for the comparison of methods."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

import spaces


class Sized(nn.Module):
    """Inverted residual blocks whose inner widths are ratios of a shared width."""

    def __init__(self) -> None:
        super().__init__()
        base = spaces.ValueChoice([8, 16, 24], key="base")
        layers: list[nn.Module] = [
            spaces.Conv2d(3, base, 3, padding=1, bias=False),
            spaces.BatchNorm2d(base),
        ]
        for index in range(4):
            ratio = spaces.ValueChoice([1, 2, 4], key=f"ratio_{index}")
            layers.append(SizedBlock(base, ratio * base))
            # After the second block at half of the size.
            layers.append(nn.MaxPool2d(2) if index == 1 else nn.Identity())
        head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), spaces.Linear(base, 10))
        self.layers = nn.Sequential(*layers, *head)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.layers(x)
        return scores


class SizedBlock(nn.Module):
    """Expansion, depthwise convolution, projection, and the input."""

    def __init__(self, width: Any, inner: Any):
        super().__init__()
        self.layers = nn.Sequential(
            spaces.Conv2d(width, inner, 1, bias=False),
            spaces.BatchNorm2d(inner),
            nn.ReLU(),
            spaces.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False),
            spaces.BatchNorm2d(inner),
            nn.ReLU(),
            spaces.Conv2d(inner, width, 1, bias=False),
            spaces.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result
