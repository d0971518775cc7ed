"""What proxies are computed of: an untrained network and a few images."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor, nn

from predictor.errors import InvalidValues


class Subject:
    """A network with the images that it is looked at with; the network itself is left as it is.

    Args:
        network: untrained, its weights as they were drawn; gives logits [b, classes].
        images: float tensor [b, channels, height, width], on the network's device.
        labels: int tensor [b].
        seed: of everything that a proxy draws.

    Raises:
        InvalidValues: there are no images, or not one label each.
    """

    def __init__(self, network: nn.Module, images: Tensor, labels: Tensor, seed: int = 0):
        if images.ndim != 4 or not len(images) or labels.shape != images.shape[:1]:
            raise InvalidValues(
                "a proxy needs images [b, channels, height, width] and labels [b], "
                f"not {list(images.shape)} and {list(labels.shape)}"
            )
        self.network, self.images, self.labels, self.seed = network, images, labels, seed

    def copy(self) -> nn.Module:
        """The network once more, in training mode (batch normalisation by the batch), without
        gradients.
        """
        network = copy.deepcopy(self.network).train()
        network.zero_grad(set_to_none=True)
        return network

    def generator(self) -> torch.Generator:
        """A generator with the subject's seed, on the processor."""
        return torch.Generator().manual_seed(self.seed)

    @cached_property
    def gradients(self) -> list[tuple[Tensor, Tensor]]:
        """Weight and gradient of the batch's mean cross-entropy, for every layer that the path
        executes.
        """
        network = self.copy()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)  # drop-out
            loss = nn.functional.cross_entropy(run(network, self.images), self.labels)
        own = list(weights(network))
        found = torch.autograd.grad(loss, own, allow_unused=True)
        pairs = zip(own, found, strict=True)
        return [(weight.detach(), gradient) for weight, gradient in pairs if gradient is not None]


def weights(network: nn.Module) -> Iterator[Tensor]:
    """The weights of convolutions and linear layers, which proxies sum over; not those of
    normalisation.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            yield part.weight


def run(network: nn.Module, images: Tensor) -> Tensor:
    """The network's outputs; raises InvalidValues where the batch is too small for batch
    normalisation.
    """
    try:
        outputs: Tensor = network(images)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise InvalidValues(
            f"{len(images)} image is too few: the network normalises features of one pixel by the"
            " batch"
        ) from error
    return outputs
