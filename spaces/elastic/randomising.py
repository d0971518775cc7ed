"""Random weights for checks, by which no part of a network is without effect."""

from __future__ import annotations

import math

import torch
from torch import nn

from spaces.modules.copying import copy_module


def with_random_weights(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return a copy of a network in evaluation mode with random weights.

    A block that begins with a scale of zero, or that a layer scale of 1e-6 shrinks, would hide the
    fault of a wrong cut.

    Args:
        model: Network to copy.
        seed: Seed of the weights.
    """
    network = copy_module(model).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(parameter.is_floating_point())
            if not parameter.is_floating_point():
                continue

            values = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                # Keeps the scale of activations through a deep network.
                fan_in = max(1, parameter[0].numel())
                parameter.copy_(values / math.sqrt(fan_in))
            elif name.endswith("bias"):
                parameter.copy_(0.2 * values)
            else:
                # Scales, of normalisations or of layers.
                parameter.copy_(1 + 0.2 * values)

        # Equal statistics of channels would hide a cut of the wrong ones.
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.2 * torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return network
