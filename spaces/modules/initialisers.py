"""How the weights of cell networks begin."""

from __future__ import annotations

import math

import torch
from torch import nn


def torch_initialiser(module: nn.Module, generator: torch.Generator) -> None:
    """Torch's own beginning, as the NAS-Bench-201 and DARTS releases leave it: uniform in
    +-1/sqrt(fan in).
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(part.weight[0].numel())
            nn.init.uniform_(part.weight, -bound, bound, generator=generator)
            if part.bias is not None:
                nn.init.uniform_(part.bias, -bound, bound, generator=generator)
        elif isinstance(part, nn.BatchNorm2d) and part.affine:
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)


_TRUNCATED = 0.87962566103423978  # deviation of a normal distribution cut at two deviations


def tensorflow_initialiser(module: nn.Module, generator: torch.Generator) -> None:
    """The beginning of the NAS-Bench-101 release: convolutions N(0, 1/fan in) cut at two
    deviations, Glorot's linear.

    Batch normalisation has TensorFlow's momentum of .997, which is torch's .003.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            deviation = 1 / math.sqrt(part.weight[0].numel()) / _TRUNCATED
            nn.init.trunc_normal_(
                part.weight, 0.0, deviation, -2 * deviation, 2 * deviation, generator=generator
            )
        elif isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight, generator=generator)
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.003
            if part.affine:
                nn.init.ones_(part.weight)
                nn.init.zeros_(part.bias)
