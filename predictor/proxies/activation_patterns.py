"""SWAP: the number of different activation patterns of the units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from predictor.errors import InvalidValues
from predictor.proxies.subject import Subject, run

_BITS = 62
"""Images whose bits are stored in one integer."""


def swap(subject: Subject) -> float:
    """Count the different sample-wise activation patterns of all units.

    A unit's pattern has one bit for each image: whether its rectifier lets the image through. Peng
    et al., "SWAP-NAS: Sample-Wise Activation Patterns for Ultra-Fast NAS", ICLR 2024 (arXiv
    2403.04161), definitions 3.2 and 3.3, without the regularisation by size.

    Raises:
        InvalidValues: The network has no rectifier module.
    """
    network = subject.copy()
    patterns: list[Tensor] = []

    # Before the activation, since one that works in place has overwritten its input afterwards.
    def record(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        patterns.append(_pack(inputs[0].flatten(1) > 0))

    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6 | nn.LeakyReLU | nn.PReLU):
            module.register_forward_pre_hook(record)
    with torch.no_grad():
        run(network, subject.images)

    if not patterns:
        raise InvalidValues("swap needs a network with rectifiers as modules: ReLU, ReLU6, ...")
    words = torch.cat(patterns, dim=1)
    # Unique rows are far slower than unique numbers, and few images fit into one word.
    distinct = torch.unique(words, dim=1) if len(words) > 1 else torch.unique(words)
    return float(distinct.shape[-1])


def _pack(bits: Tensor) -> Tensor:
    """Pack the columns of a bool tensor [images, units] into an int tensor [words, units]."""
    groups = torch.split(bits, _BITS)
    shifts = torch.arange(_BITS, device=bits.device)
    return torch.stack([(group.long() << shifts[: len(group), None]).sum(0) for group in groups])
