"""A search whose answer is known, and what runs it; used by the tests of several algorithms."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.registry import make, preset
from oneshot.data.images import ImageSplit
from oneshot.training import Execution, fit
from oneshot.training.recipe import Recipe
from spaces.modules.choices import LayerChoice

BEST = {"first": "pass", "second": "pass", "third": "pass"}
"""What tells the classes of `toy_images` apart."""


QUICK: dict[str, dict[str, Any]] = {
    "cars": {},
    "darts": {"arch_learning_rate": 0.05},
    "pc-darts": {"arch_learning_rate": 0.05, "arch_warmup": 0},
    "gdas": {"arch_learning_rate": 0.1, "arch_weight_decay": 0.0, "first_temperature": 2.0},
    "snas": {"arch_learning_rate": 0.2, "arch_weight_decay": 0.0, "last_temperature": 0.3},
    "fbnet": {"arch_learning_rate": 0.2, "arch_warmup": 1, "arch_every": 1},
    "enas": {
        "controller_learning_rate": 0.02,
        "tanh_constant": 1.1,
        "controller_steps": 10,
        "entropy_weight": 0.03,
    },
    "fairnas": {"population": 32, "generations": 2},
}


class Function(nn.Module):
    """A function of the input, plus a learned number.

    Args:
        name: `zero`, `abs` or `pass`.
    """

    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        if self.name == "zero":
            x = torch.zeros_like(x)
        return (x.abs() if self.name == "abs" else x) + self.bias


class Toy(nn.Module):
    """Three choices, each on a channel whose sign tells one bit of the class; only `pass` keeps
    it.
    """

    def __init__(self, seed: int = 0):
        super().__init__()
        orders = {
            "first": ("zero", "abs", "pass"),
            "second": ("pass", "zero", "abs"),
            "third": ("abs", "pass", "zero"),
        }
        self.choices = nn.ModuleList(
            LayerChoice({name: Function(name) for name in names}, key=key)
            for key, names in orders.items()
        )
        self.classify = nn.Linear(3, 8)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.classify.weight.normal_(0.0, 0.01, generator=generator)
            self.classify.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        parts = [
            choice(x[:, channel].mean((1, 2))[:, None])
            for channel, choice in enumerate(self.choices)
        ]
        result: Tensor = self.classify(torch.cat(parts, 1))
        return result


def toy_images(count: int, seed: int) -> ImageSplit:
    """Images [count, 3, 2, 2] whose channels' signs are the bits of their class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(8, (count,), generator=generator)
    bits = torch.stack([labels // 4, labels // 2 % 2, labels % 2], 1)
    sizes = 0.5 + torch.rand(count, 3, generator=generator)
    return ImageSplit.from_tensors(
        (sizes * (2 * bits - 1))[:, :, None, None].expand(-1, -1, 2, 2).contiguous(), labels
    )


class Searches:
    """Makes algorithms of the toy, and runs them."""

    best = BEST
    model = Toy
    images = staticmethod(toy_images)
    short = Recipe(
        epochs=6, batch_size=32, learning_rate=0.2, weight_decay=0.0, label_smoothing=0.0
    )

    def algorithm(
        self,
        name: str,
        model: nn.Module | None = None,
        seed: int = 0,
        recipe: Recipe = short,
        **options: Any,
    ) -> ArchitectureAlgorithm:
        """Make an algorithm on the toy's images, with fields of Setting among the options."""
        fields = {field.name for field in dataclasses.fields(Setting)}
        setting = {key: options.pop(key) for key in list(options) if key in fields}
        given = {"held_out": toy_images(256, 1000 + seed), "images": 256, **setting}
        chosen = preset(name, {**QUICK[name], **options}).options
        return make(
            name, Setting(Toy(seed) if model is None else model, recipe, seed=seed, **given), chosen
        )

    def train(
        self, algorithm: ArchitectureAlgorithm, folder: Path, execution: Execution | None = None
    ) -> None:
        """Run an algorithm to its end."""
        seed = algorithm.setting.seed
        fit(algorithm, toy_images(256, 2000 + seed), folder, seed=seed, execution=execution)


@pytest.fixture(scope="session")
def searches() -> Searches:
    """Searches whose answer is known."""
    return Searches()


@pytest.fixture(scope="session")
def quick() -> dict[str, dict[str, Any]]:
    """Options of each algorithm with which some dozens of updates are enough."""
    return QUICK
