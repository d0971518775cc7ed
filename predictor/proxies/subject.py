"""The input of proxies: an untrained network and a few images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from predictor.errors import InvalidValues
from spaces.modules.copying import copy_module

Loss = Callable[[Any, Any], Tensor]
"""Function (outputs, targets) -> mean loss of a batch."""


class Subject:
    """An untrained network and one batch of images; the network itself is never changed.

    Args:
        network: Network with its initial weights; its outputs are logits [b, classes].
        images: Float tensor [b, channels, height, width], on the network's device.
        labels: Targets of the loss [b], such as classes.
        seed: Seed of all randomness of a proxy.
        loss: Function (outputs, targets) -> mean loss; None: cross-entropy.

    Raises:
        InvalidValues: There are no images, or the number of labels differs.
    """

    def __init__(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Any,
        seed: int = 0,
        loss: Loss | None = None,
    ):
        if images.ndim != 4 or not len(images) or len(labels) != len(images):
            raise InvalidValues(
                "a proxy needs images [b, channels, height, width] and as many labels, "
                f"not {list(images.shape)} and [{len(labels)}]"
            )
        self.network = network
        self.images = images
        self.labels = labels
        self.seed = seed
        self.loss: Loss = loss or nn.functional.cross_entropy

    def copy(self) -> nn.Module:
        """Return a copy of the network without gradients, in training mode.

        Batch normalisation then uses the statistics of the batch.
        """
        network = copy_module(self.network).train()
        network.zero_grad(set_to_none=True)
        return network

    def generator(self) -> torch.Generator:
        """Return a generator with the subject's seed, on the CPU."""
        return torch.Generator().manual_seed(self.seed)

    @cached_property
    def gradients(self) -> list[tuple[Tensor, Tensor]]:
        """Weight and gradient of the mean loss, of every layer that is executed."""
        network = self.copy()
        with torch.random.fork_rng(devices=[]):
            # For dropout.
            torch.manual_seed(self.seed)
            loss = self.loss(run(network, self.images), self.labels)
        layer_weights = list(weights(network))
        gradients = torch.autograd.grad(loss, layer_weights, allow_unused=True)
        pairs = zip(layer_weights, gradients, strict=True)
        return [(weight.detach(), gradient) for weight, gradient in pairs if gradient is not None]


def weights(network: nn.Module) -> Iterator[Tensor]:
    """Yield the weights of convolutions and linear layers, over which proxies sum."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield module.weight


def run(network: nn.Module, images: Tensor) -> Tensor:
    """Return the network's outputs.

    Raises:
        InvalidValues: The batch is too small for batch normalisation.
    """
    try:
        outputs: Tensor = network(images)
    except ValueError as error:
        # torch has no error class of its own for this.
        if "more than 1 value per channel" not in str(error):
            raise
        raise InvalidValues(
            f"{len(images)} image is too few: the network normalises features of one pixel by the"
            " batch"
        ) from error

    return outputs
