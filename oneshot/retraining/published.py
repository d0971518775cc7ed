"""The recipes that papers retrain their networks with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spaces.choice_space import family_of

IMAGENET, CIFAR = 100_000, 40_000
"""How many training images a data set has at least that a recipe for ImageNet or for CIFAR
suits.
"""


@dataclass(frozen=True)
class Published:
    """A paper's recipe.

    Args:
        images: training images that a data set must have at least.
        recipe: fields of Recipe that differ from its defaults.
        options: fields of RetrainOptions that differ from its defaults.
    """

    images: int
    recipe: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


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
        {"drop_path": 0.2, "auxiliary": 0.4, "cutout": 16},
    ),
    # The same, cnn/train_imagenet.py; the paper multiplies the rate by .97 an epoch, this one falls
    # linearly.
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
        {"auxiliary": 0.4, "colour_jitter": 0.4},
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
    ),
}
"""Name of a space without its parameters -> its paper's recipe."""


def published(space: str, images: int) -> Published | None:
    """The recipe of a space's paper, or None: where there is none, or the data set is much smaller
    than the paper's.

    Args:
        space: canonical name.
        images: for training.
    """
    found = RECIPES.get(family_of(space))
    return found if found is not None and images >= found.images else None
