"""Size as a proxy, which few others outperform."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from predictor.proxies.subject import Subject


def params(subject: Subject) -> float:
    """Count the network's parameters."""
    return float(sum(parameter.numel() for parameter in subject.network.parameters()))


def macs(subject: Subject) -> float:
    """Count multiply-accumulates of convolutions and linear layers for one image.

    Papers call them FLOPs.
    """
    network = subject.copy().eval()
    counts: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            per_output = module.in_channels // module.groups * math.prod(module.kernel_size)
        else:
            per_output = inputs[0].shape[-1]
        counts.append(output.numel() * per_output)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(subject.images[:1])
    return float(sum(counts))
