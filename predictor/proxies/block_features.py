"""Features after the blocks of a network, over which some proxies sum."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from predictor.errors import InvalidValues
from predictor.proxies.subject import run


@runtime_checkable
class HasBlocks(Protocol):
    """A network that knows its blocks, such as the cells of a cell space."""

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        """Return the features [b, channels, height, width] after each block."""


def block_features(network: nn.Module, images: Tensor) -> list[Tensor]:
    """Run a network and return the features after each of its blocks.

    Blocks are those that the network reports (`HasBlocks`). Those of any other network are its
    children that return images; a network with a single child has the blocks of that child.

    Args:
        network: Network in training mode; batch normalisation uses the statistics of the batch.
        images: Float tensor [b, channels, height, width].

    Returns:
        Float tensors [b, channels, height, width] in the order of execution, still in one graph.

    Raises:
        InvalidValues: The network has fewer than two blocks that return images.
    """
    if isinstance(network, HasBlocks):
        features = network.block_outputs(images)
    else:
        features = _children_outputs(network, images)

    if len(features) < 2:
        raise InvalidValues(
            f"this proxy compares blocks, but the network has {len(features)} that return images"
        )
    return features


def _children_outputs(network: nn.Module, images: Tensor) -> list[Tensor]:
    parent = network
    while len(children := list(parent.children())) == 1:
        parent = children[0]

    outputs: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> Tensor | None:
        if not isinstance(output, Tensor) or output.dim() != 4:
            return None
        outputs.append(output)
        # A copy goes on, since the next child may be an activation that works in place.
        return output.clone()

    handles = [child.register_forward_hook(record) for child in children]
    try:
        run(network, images)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def initialise_kaiming(network: nn.Module, generator: torch.Generator) -> None:
    """Sample weights from N(0, 2 / fan-in); biases are 0 and batch normalisation scales by 1.

    He et al., ICCV 2015 (arXiv 1502.01852), eq. 10.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                weight = torch.randn(module.weight.shape, generator=generator)
                module.weight.copy_(weight * (2 / fan_in) ** 0.5)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d) and module.affine:
                module.weight.fill_(1)
                module.bias.zero_()
