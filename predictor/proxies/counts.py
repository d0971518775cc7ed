"""Size as a proxy, which few others beat."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from predictor.proxies.subject import Subject


def params(subject: Subject) -> float:
    """The network's learned numbers."""
    return float(sum(parameter.numel() for parameter in subject.network.parameters()))


def macs(subject: Subject) -> float:
    """Multiply-accumulates of convolutions and linear layers for one image (the papers' FLOPs)."""
    network = subject.copy().eval()
    found = [0]

    def count(part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(part, nn.Conv2d):
            each = part.in_channels // part.groups * math.prod(part.kernel_size)
        else:
            each = inputs[0].shape[-1]
        found[0] += output.numel() * each

    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(count)
    with torch.no_grad():
        network(subject.images[:1])
    return float(found[0])
