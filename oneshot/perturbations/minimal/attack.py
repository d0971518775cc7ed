"""MinimalAttack: the interface of an attack that searches the least change of an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from oneshot.errors import InvalidOption

LINF = "linf"
L2 = "l2"
NORMS = (LINF, L2)
"""Norms of changes: the largest change of a value, and the Euclidean length."""

ScoresOf: TypeAlias = Callable[[Tensor], Tensor]
"""Function of pixels from 0 to 1 [n, channels, h, w] that returns scores [n, classes]."""


class MinimalAttack(ABC):
    """An attack without a bound: it searches the nearest image of another class.

    Attacked images stay valid, with pixels from 0 to 1, and weights get no gradients.

    Args:
        name: Name of the attack, for errors.
        norm: Norm of the distance, `linf` or `l2`.

    Raises:
        InvalidOption: There is no such norm.

    Example:
        >>> class Negative(MinimalAttack):
        ...     def attacked(self, scores_of, pixels, labels):
        ...         return 1 - pixels
        >>> dark = torch.tensor([[[[0.2]]]])
        >>> scores_of = lambda pixels: torch.cat([0.5 - pixels, pixels - 0.5], 1).flatten(1)
        >>> Negative("negative", "linf").distances(scores_of, dark, torch.tensor([0]))
        tensor([0.6000])
    """

    def __init__(self, name: str, norm: str) -> None:
        if norm not in NORMS:
            raise InvalidOption(f"attack {name}: norm must be {' or '.join(NORMS)}, not {norm!r}")
        self.name = name
        self.norm = norm

    @abstractmethod
    def attacked(self, scores_of: ScoresOf, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return the nearest images of other classes that were found; any where none was.

        Args:
            scores_of: Function pixels -> scores of the attacked network.
            pixels: Pixels from 0 to 1 [n, channels, h, w] of images that it classifies correctly.
            labels: Their classes [n].
        """

    @torch.no_grad()
    def distances(self, scores_of: ScoresOf, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return the least distances found [n]: 0 of misclassified images, infinite of failures.

        Args:
            scores_of: Function pixels -> scores of the attacked network.
            pixels: Pixels from 0 to 1 [n, channels, h, w].
            labels: Classes of the images [n].
        """
        distances = pixels.new_zeros(len(pixels))
        rows = (~is_wrong(scores_of(pixels), labels)).nonzero()[:, 0]
        if not len(rows):
            return distances

        images = pixels[rows]
        with torch.enable_grad():
            attacked = self.attacked(scores_of, images, labels[rows]).detach()
        lengths = length(attacked - images, self.norm)
        deceived = is_wrong(scores_of(attacked), labels[rows])
        distances[rows] = lengths.where(deceived, torch.inf)
        return distances


def check_positive(name: str, **values: float) -> None:
    """Raise InvalidOption where an option of an attack is not above 0.

    Args:
        name: Name of the attack.
        values: Options.
    """
    for field, value in values.items():
        if not value > 0:
            raise InvalidOption(f"attack {name}: {field} must be above 0, not {value}")


def is_wrong(scores: Tensor, labels: Tensor) -> Tensor:
    """Return which images are not classified as their labels, bool [n].

    Args:
        scores: Scores [n, classes].
        labels: Classes [n].
    """
    return scores.argmax(1) != labels


def length(changes: Tensor, norm: str) -> Tensor:
    """Return the lengths [n] of changes [n, ...].

    Args:
        changes: Changes of images.
        norm: `linf` or `l2`.

    Example:
        >>> length(torch.tensor([[3.0, -4.0]]), "linf"), length(torch.tensor([[3.0, -4.0]]), "l2")
        (tensor([4.]), tensor([5.]))
    """
    flat = changes.flatten(1)
    return flat.abs().amax(1) if norm == LINF else flat.norm(dim=1)


def by_image(values: Tensor) -> Tensor:
    """Return values [n] as [n, 1, 1, 1], which broadcast to images."""
    return values.view(-1, 1, 1, 1)
