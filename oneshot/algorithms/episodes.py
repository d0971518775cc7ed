"""Episodes of few-shot learning: tasks of few classes with few images, and adaptation to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from oneshot.errors import InvalidOption

Group = tuple[Sequence[Tensor], float]
"""Parameters with the learning rate of their adaptation."""


@dataclass(frozen=True)
class Episode:
    """A task of a few classes.

    Args:
        support: Indices of the images to adapt to, [ways x shots].
        support_labels: Their classes within the episode, from 0 to `ways` - 1.
        query: Indices of the images to predict.
        query_labels: Their classes within the episode.
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor


def draw_episode(targets: Tensor, ways: int, shots: int, generator: torch.Generator) -> Episode:
    """Draw an episode from labelled images.

    Each episode numbers its classes from 0, so that nothing can be learnt but to adapt.

    Args:
        targets: Class of each image, [n].
        ways: Number of classes.
        shots: Number of images of each class to adapt to.
        generator: Source of all random numbers, on the CPU.

    Raises:
        InvalidOption: Too few classes have an image more than `shots`.

    Example:
        >>> targets = torch.tensor([0, 0, 1, 1, 2, 2])
        >>> episode = draw_episode(targets, 2, 1, torch.Generator().manual_seed(0))
        >>> len(episode.support), len(episode.query)
        (2, 2)
    """
    labels = targets.cpu()
    classes, counts = torch.unique(labels, return_counts=True)
    usable = classes[counts > shots]
    if len(usable) < ways:
        raise InvalidOption(
            f"ways: a batch has {len(usable)} classes of more than {shots} images, fewer than"
            f" {ways}; raise --batch-size"
        )

    classes = usable[torch.randperm(len(usable), generator=generator)[:ways]]
    support, query, query_labels = [], [], []
    for label, number in enumerate(classes):
        images = torch.nonzero(labels == number).flatten()
        images = images[torch.randperm(len(images), generator=generator)]
        support.append(images[:shots])
        query.append(images[shots:])
        query_labels.append(torch.full((len(images) - shots,), label))

    return Episode(
        torch.cat(support),
        torch.arange(ways).repeat_interleave(shots),
        torch.cat(query),
        torch.cat(query_labels),
    )


@contextmanager
def adapted(loss: Callable[[], Tensor], groups: Sequence[Group], steps: int) -> Iterator[None]:
    """Adapt parameters by gradient descent within the block; they are restored afterwards.

    Args:
        loss: Function that computes the loss of the support images.
        groups: Parameters with their learning rates.
        steps: Number of updates.

    Example:
        >>> weight = torch.tensor(1.0, requires_grad=True)
        >>> with adapted(lambda: weight**2, [([weight], 0.25)], steps=1):
        ...     weight.item()
        0.5
        >>> weight.item()
        1.0
    """
    parameters = [parameter for group, _ in groups for parameter in group]
    rates = [rate for group, rate in groups for _ in group]
    initial = [parameter.detach().clone() for parameter in parameters]

    try:
        for _ in range(steps):
            gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
            with torch.no_grad():
                for parameter, gradient, rate in zip(parameters, gradients, rates, strict=True):
                    # Parameters without influence on the loss stay as they are.
                    if gradient is not None:
                        parameter -= rate * gradient
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, initial, strict=True):
                parameter.copy_(value)


def reptile_gradients(
    loss: Callable[[], Tensor],
    groups: Sequence[Group],
    steps: int,
    at_adapted: Callable[[], None] = lambda: None,
) -> list[Tensor]:
    """Return the way back from adapted parameters, the gradient of Reptile.

    Nichol et al., 2018 (arXiv 1803.02999), algorithm 1: initial minus adapted parameters.

    Args:
        loss: Function that computes the loss of an episode's images.
        groups: Parameters with their learning rates.
        steps: Number of updates of the adaptation.
        at_adapted: Called while the parameters are adapted.
    """
    parameters = [parameter for group, _ in groups for parameter in group]
    initial = [parameter.detach().clone() for parameter in parameters]
    with adapted(loss, groups, steps):
        at_adapted()
        return [
            value - parameter.detach() for value, parameter in zip(initial, parameters, strict=True)
        ]


def first_order_gradients(
    support: Callable[[], Tensor], query: Callable[[], Tensor], groups: Sequence[Group], steps: int
) -> list[Tensor | None]:
    """Return the gradient of the query's loss at the adapted parameters.

    First-order MAML: Finn et al., ICML 2017 (arXiv 1703.03400), section 5.2.

    Args:
        support: Function that computes the loss of the support images.
        query: Function that computes the loss of the query images.
        groups: Parameters with their learning rates.
        steps: Number of updates of the adaptation.
    """
    parameters = [parameter for group, _ in groups for parameter in group]
    with adapted(support, groups, steps):
        return list(torch.autograd.grad(query(), parameters, allow_unused=True))
