"""Training of ENAS' shared weights as in the release: dropout, auxiliary head and restarts.

The release is melodyguan/enas, src/cifar10/micro_child.py and src/utils.py.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from oneshot.errors import InvalidOption
from spaces.modules.darts import AuxiliaryHead

# Sides of the features that an auxiliary head can read.
_AUXILIARY_SIDES = (7, 8)


@contextlib.contextmanager
def features_dropped(model: nn.Module, keep: float) -> Iterator[None]:
    """Drop features in front of the last linear layer within the block.

    The release does so in every pass of the search, those that compute rewards included.

    Args:
        model: Model whose last linear layer is the classifier.
        keep: Probability that a feature is kept; 1: nothing is changed.

    Raises:
        InvalidOption: The model has no linear layer.
    """
    if keep == 1:
        yield
        return

    handle = _classifier(model).register_forward_pre_hook(functools.partial(_drop, keep))
    try:
        yield
    finally:
        handle.remove()


def _classifier(model: nn.Module) -> nn.Linear:
    """Return the last linear layer of a model."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise InvalidOption(
            f"keep and auxiliary need a linear classifier, which {type(model).__name__} lacks; set"
            " keep=1 and auxiliary=0"
        )
    return linear[-1]


def _drop(keep: float, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    # Also of a model in evaluation mode, as the release does.
    return (functional.dropout(inputs[0], 1 - keep, training=True), *inputs[1:])


class AuxiliaryClassifier:
    """A second classifier on features within a search network.

    The head's weights stay as they were initialised: the release computes gradients of the other
    variables only, so that the head passes a gradient on and does not learn.

    Args:
        model: Search network with an `auxiliary_tap`, a module that passes these features.
        seed: Seed of the head's weights.

    Raises:
        InvalidOption: The model has no such features.
    """

    def __init__(self, model: nn.Module, seed: int):
        tap = getattr(model, "auxiliary_tap", None)
        if not isinstance(tap, nn.Module):
            raise InvalidOption(
                "auxiliary needs a search network of cells, as of the space darts, not"
                f" {type(model).__name__}; set auxiliary=0"
            )
        self.seed = seed
        self._tap = tap
        self._num_classes = _classifier(model).out_features
        self._head: AuxiliaryHead | None = None

    @contextlib.contextmanager
    def captured(self) -> Iterator[list[Tensor]]:
        """Record the features of each pass within the block in the list that it returns."""
        features: list[Tensor] = []
        handle = self._tap.register_forward_hook(functools.partial(_record, features))
        try:
            yield features
        finally:
            handle.remove()

    def __call__(self, features: Tensor) -> Tensor:
        """Return the scores [b, classes] of features [b, channels, side, side]."""
        if self._head is None:
            self._head = self._make(features)
        scores: Tensor = self._head(features).float()
        return scores

    def _make(self, features: Tensor) -> AuxiliaryHead:
        channels, side = features.shape[1:3]
        if side not in _AUXILIARY_SIDES:
            raise InvalidOption(
                f"the auxiliary head reads features of 7 or 8 pixels, not {side}: search on images"
                " of 32 pixels, or set auxiliary=0"
            )
        # It follows from the seed, so that a checkpoint need not contain it.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            head = AuxiliaryHead(channels, side, self._num_classes)
        return head.requires_grad_(False).to(features.device)


def _record(features: list[Tensor], module: nn.Module, inputs: Any, output: Tensor) -> None:
    features.append(output)


def restarted_fraction(epoch: int, first: int, factor: int) -> float:
    """Return the cosine schedule with restarts as a fraction from 1 to 0.

    Loshchilov and Hutter, ICLR 2017 (arXiv 1608.03983), equation 5; as in the release, the rate is
    constant within an epoch.

    Args:
        epoch: Number of the epoch, from 0.
        first: Number of epochs before the first restart.
        factor: Factor by which each period is longer than the one before.
    """
    period = first
    while epoch >= period:
        epoch -= period
        period *= factor
    return 0.5 * (1 + math.cos(math.pi * epoch / period))
