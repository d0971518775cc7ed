"""Choices of convolutions that tests of traced models share."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from spaces import LayerChoice, ModelSpace

EXAMPLE = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def convolutions() -> LayerChoice:
    return LayerChoice([nn.Conv2d(3, 3, size, padding=size // 2) for size in (1, 3)])


def check_counts(space: ModelSpace) -> None:
    """MACs and parameters are those of each frozen network as it is."""
    for architecture in space.enumerate():
        network = space.network(architecture).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(EXAMPLE[:1])
        assert counter.get_total_flops() == 2 * space.macs(architecture)
        assert sum(value.numel() for value in network.parameters()) == space.params(architecture)
        assert len(network.blocks) == len(space.blocks(architecture))
