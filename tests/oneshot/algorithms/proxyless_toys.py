"""Models whose best path is known, a small space of chains, and images of three classes."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.proxyless.algorithm import Proxyless
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.data.images import ImageSplit
from oneshot.search.constraint import Limit
from oneshot.training.recipe import Recipe
from spaces.modules.choices import LayerChoice

TINY = (
    "proxylessnas-tiny(channels=(8, 12), first_channels=8, head_channels=16, input_size=8,"
    " repeats=(2, 2), strides=(1, 2))"
)


class Zero(nn.Module):
    """Zeros: a candidate through which nothing comes, nor any gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def conv(kernel: int = 3) -> nn.Module:
    """A convolution with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(3, 3, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(3)
    )


class Net(nn.Module):
    """Two layers: only the path `pass`, `pass` lets the classes through; what works in place stands
    behind each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = LayerChoice(
            {"zero": Zero(), "pass": nn.Identity(), "none": Zero()}, key="a.first"
        )
        self.second = LayerChoice(
            {"pass": nn.Identity(), "zero": Zero(), "none": Zero()}, key="second"
        )
        self.head = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.second(self.first(x)).mean((2, 3)))
        return out


class Residual(nn.Module):
    """Layers of convolutions and Zero with shortcuts, as ProxylessNAS has them, and ReLU in place
    behind.
    """

    def __init__(self, layers: int = 3) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            LayerChoice([conv(1), conv(3), conv(5), Zero()]) for _ in range(layers)
        )
        self.head = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu_(x + layer(x))
        out: Tensor = self.head(x.mean((2, 3)))
        return out


def split(count: int, seed: int = 0, side: int = 4) -> ImageSplit:
    """Images [count, 3, side, side] whose class is the brightest colour."""
    labels = torch.arange(count) % 3
    images = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return ImageSplit.from_tensors(images + 2 * torch.eye(3)[labels][:, :, None, None], labels)


def algorithm(
    model: nn.Module, options: ProxylessOptions, seed: int = 0, epochs: int = 10, **setting: object
) -> Proxyless:
    """A search on 96 held-out images."""
    recipe = Recipe(epochs=epochs, batch_size=32, learning_rate=0.05)
    return Proxyless(
        Setting(model, recipe, split(96, 1), 192, seed=seed, **setting),  # type: ignore[arg-type]
        options,
    )


def constrained(
    seed: int,
    options: ProxylessOptions,
    maximum: float,
    folder: Path | None = None,
    epochs: int = 8,
) -> Proxyless:
    """A search on a space of chains under a limit on MACs."""
    space = spaces.get(TINY)
    limit = Limit("flops", maximum).bind(space, lambda name: pytest.fail(name))
    model = space.supernet(3, torch.Generator().manual_seed(seed))
    return algorithm(
        model,
        options,
        seed,
        epochs,
        space=space,
        constraint=limit,
        folder=folder,
        tensorboard=folder is not None,
    )
