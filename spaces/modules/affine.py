"""Scale and shift of the batch normalisation of supernets."""

from __future__ import annotations

import torch
from torch import nn


def learn_affine(model: nn.Module) -> None:
    """Let all 2d batch normalisation learn scale and shift, which begin as 1 and 0.

    Layers that learn them already keep their values.

    Args:
        model: Model that is changed in place.

    Example:
        >>> model = nn.Sequential(nn.BatchNorm2d(4, affine=False))
        >>> learn_affine(model)
        >>> [name for name, _ in model.named_parameters()]
        ['0.weight', '0.bias']
    """
    for norm in _norms(model):
        if not norm.affine:
            norm.affine = True
            norm.weight = nn.Parameter(torch.ones(norm.num_features))
            norm.bias = nn.Parameter(torch.zeros(norm.num_features))


def drop_affine(model: nn.Module) -> None:
    """Let no 2d batch normalisation have scale and shift.

    Args:
        model: Model that is changed in place.

    Example:
        >>> model = nn.Sequential(nn.BatchNorm2d(4))
        >>> drop_affine(model)
        >>> list(model.named_parameters())
        []
    """
    for norm in _norms(model):
        norm.affine = False
        # Registered as None, as torch does for layers made with affine=False.
        norm.register_parameter("weight", None)
        norm.register_parameter("bias", None)


def _norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
