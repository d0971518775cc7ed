"""A user's own ResNet with choices."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice


class Block(nn.Module):
    """A residual block whose kernel and whose shortcut are open."""

    def __init__(self, channels: int, key: str | None = None):
        super().__init__()
        self.conv = LayerChoice(
            [
                nn.Conv2d(channels, channels, size, padding=size // 2, bias=False)
                for size in (1, 3, 5)
            ],
            key=key,
        )
        self.norm = nn.BatchNorm2d(channels)
        self.skip = InputChoice(n_candidates=2, n_chosen=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        out: Tensor = torch.relu_(self.skip([y, x + y]))
        return out


class ResNet(nn.Module):
    """Two blocks with a choice of their own, and two whose kernels have one key."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.blocks = nn.Sequential(Block(8), Block(8), Block(8, "shared"), Block(8, "shared"))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.blocks(self.stem(x)).mean((2, 3)))
        return out


@pytest.fixture
def resnet() -> Callable[[], nn.Module]:
    """Makes it, always with the same weights."""

    def make() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return ResNet()

    return make
