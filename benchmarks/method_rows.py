"""Rows of the benchmark of methods, and what each of its methods needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from oneshot_family import Scale, retrained

from oneshot.data.images import ImageData
from oneshot.data.registry import load as load_data
from oneshot.training.execution import Execution
from oneshot.training.recipe import Recipe
from spaces.architecture import Architecture
from spaces.space import SearchSpace

TRAINING = Recipe(epochs=4, batch_size=64, learning_rate=0.05, schedule="cosine", clip=5.0)
"""Of the networks that are scored by a training."""


@dataclass(frozen=True)
class Row:
    """A network and its score.

    Args:
        name: method that found it, or `random`.
        seed: of the search or of the training.
        score: top-1 in percent.
        macs: of the network; None where its score is that of a table.
        cpu_seconds: of the search.
    """

    name: str
    seed: int
    score: float
    macs: int | None = None
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Work:
    """Scale, data and devices that every method needs.

    Args:
        scale: how much is done: `smoke` or `small`.
        seeds: searches of each method.
        num_random: random networks.
        data: data set, as --images.
        execution: devices and precision.
        folder: of the runs.
    """

    scale: str
    seeds: int
    num_random: int
    data: str
    execution: Execution
    folder: Path

    def images(self, space: SearchSpace) -> ImageData:
        """The images at the size of a space's networks."""
        limit, validation = (2000, 800) if self.scale == "smoke" else (8000, 4000)
        return load_data(self.data, space.input_shape, limit=limit, validation=validation)

    @property
    def epochs(self) -> int:
        """Epochs of a search."""
        return 4 if self.scale == "smoke" else 8


def trained(
    space: SearchSpace,
    name: str,
    results: list[tuple[int, Architecture, float]],
    images: ImageData,
    work: Work,
    random: Any = None,
) -> list[Row]:
    """Train the results of searches and random networks in the same way, and test them."""
    if random is None:
        random = space.decode(space.sample(np.random.default_rng(0), work.num_random))
    scale = Scale(space.name, "", 8000, 4000, 0, TRAINING, augment=False)
    networks = [(name, seed, architecture, seconds) for seed, architecture, seconds in results]
    networks += [
        ("random", 100 + number, architecture, 0.0) for number, architecture in enumerate(random)
    ]

    rows = []
    for label, seed, architecture, seconds in networks:
        report = retrained(
            scale, architecture, f"{label}-{seed}", seed, images, work.execution, work.folder
        )
        rows.append(Row(label, seed, float(report["top1"]), int(report["macs"]), seconds))
    return rows
