"""The recipes of papers for retraining their networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spaces.choice_space import family_of

IMAGENET = 100_000
"""Fewest training images for which a recipe for ImageNet is suitable."""

CIFAR = 40_000
"""Fewest training images for which a recipe for CIFAR is suitable."""


@dataclass(frozen=True)
class Published:
    """A paper's recipe.

    Args:
        images: Fewest training images of a data set that the recipe is for.
        recipe: Fields of Recipe that differ from their defaults.
        options: Fields of RetrainOptions that differ from their defaults.
    """

    images: int
    recipe: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


NO_FINAL_PASS = {"norm_batches": 0}
"""Option of the releases that test with the statistics of the training's updates."""

RECIPES = {
    # arXiv 1904.00420 and its release: 300000 updates, then 1250 for the statistics.
    "spos": Published(
        IMAGENET,
        {
            "steps": 300_000,
            "batch_size": 1024,
            "learning_rate": 0.5,
            "weight_decay": 4e-5,
            "label_smoothing": 0.1,
        },
        {"colour_jitter": 0.4, "norm_batches": 1250},
    ),
    # arXiv 1812.00332, search/imagenet_run_exp.py of the release.
    "proxylessnas": Published(
        IMAGENET,
        {
            "epochs": 300,
            "batch_size": 256,
            "learning_rate": 0.05,
            "schedule": "cosine",
            "nesterov": True,
            "weight_decay": 4e-5,
            "label_smoothing": 0.1,
        },
        NO_FINAL_PASS,
    ),
    # arXiv 1806.09055, section 3.2 and cnn/train.py of the release.
    "darts": Published(
        CIFAR,
        {
            "epochs": 600,
            "batch_size": 96,
            "learning_rate": 0.025,
            "schedule": "cosine",
            "weight_decay": 3e-4,
            "label_smoothing": 0.0,
            "clip": 5.0,
        },
        {"drop_path": 0.2, "auxiliary": 0.4, "cutout": 16, **NO_FINAL_PASS},
    ),
    # The same paper, cnn/train_imagenet.py. It multiplies the rate by 0.97 per epoch, where this
    # recipe decays it linearly.
    "darts-imagenet": Published(
        IMAGENET,
        {
            "epochs": 250,
            "batch_size": 128,
            "learning_rate": 0.1,
            "weight_decay": 3e-5,
            "label_smoothing": 0.1,
            "clip": 5.0,
        },
        {"auxiliary": 0.4, "colour_jitter": 0.4, **NO_FINAL_PASS},
    ),
    # arXiv 2001.00326, table 1.
    "nasbench201": Published(
        CIFAR,
        {
            "epochs": 200,
            "batch_size": 256,
            "learning_rate": 0.1,
            "schedule": "cosine",
            "nesterov": True,
            "weight_decay": 5e-4,
            "label_smoothing": 0.0,
        },
        NO_FINAL_PASS,
    ),
}
"""Name of a space without its parameters -> recipe of its paper."""


def published(space: str, images: int) -> Published | None:
    """Return the recipe of a space's paper.

    Args:
        space: Canonical name of the space.
        images: Number of training images.

    Returns:
        The recipe; None where there is none, or the data set is much smaller than the paper's.
    """
    recipe = RECIPES.get(family_of(space))
    return recipe if recipe is not None and images >= recipe.images else None
