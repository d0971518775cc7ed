"""Initialisers of the weights of cell networks."""

from __future__ import annotations

import math

import torch
from torch import nn


def torch_initialiser(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise as torch does: uniformly in +-1/sqrt(fan in).

    The releases of NAS-Bench-201 and DARTS keep this default.
    """
    for submodule in module.modules():
        if isinstance(submodule, nn.Conv2d | nn.Linear):
            # The fan in is the number of weights of one output.
            bound = 1 / math.sqrt(submodule.weight[0].numel())
            nn.init.uniform_(submodule.weight, -bound, bound, generator=generator)
            if submodule.bias is not None:
                nn.init.uniform_(submodule.bias, -bound, bound, generator=generator)
        elif isinstance(submodule, nn.BatchNorm2d) and submodule.affine:
            nn.init.ones_(submodule.weight)
            nn.init.zeros_(submodule.bias)


_TRUNCATED = 0.87962566103423978
"""Standard deviation of a normal distribution that is truncated at two deviations."""


def tensorflow_initialiser(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise as the NAS-Bench-101 release does in TensorFlow.

    Convolutions are N(0, 1/fan in) truncated at two deviations, linear layers are Glorot's. Batch
    normalisation has TensorFlow's momentum of .997, which is torch's .003.
    """
    for submodule in module.modules():
        if isinstance(submodule, nn.Conv2d):
            # Truncation narrows a normal distribution; dividing restores the deviation of
            # 1/sqrt(fan in).
            deviation = 1 / math.sqrt(submodule.weight[0].numel()) / _TRUNCATED
            nn.init.trunc_normal_(
                submodule.weight, 0.0, deviation, -2 * deviation, 2 * deviation, generator=generator
            )
        elif isinstance(submodule, nn.Linear):
            nn.init.xavier_uniform_(submodule.weight, generator=generator)
            nn.init.zeros_(submodule.bias)
        elif isinstance(submodule, nn.BatchNorm2d):
            submodule.momentum = 0.003
            if submodule.affine:
                nn.init.ones_(submodule.weight)
                nn.init.zeros_(submodule.bias)
