"""Strided pointwise convolutions of few channels, whose gradients some processors get wrong.

Where the channels of a pixel are adjacent and an input has fewer than 8, oneDNN's gradient of the
weights of a strided 1 x 1 convolution writes beyond its buffer, unless the processor has AVX-512
(uxlfoundation/oneDNN#6035): the process ends, hangs, or learns wrong weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# Channels of AVX2's vectors: inputs with as many fill the buffer.
_FEWEST = 8


def is_affected(device: torch.device) -> bool:
    """Return whether a device computes these gradients wrongly."""
    return device.type == "cpu" and torch.backends.cpu.get_cpu_capability() != "AVX512"


@contextmanager
def planar_convolutions(model: nn.Module) -> Iterator[None]:
    """Compute strided pointwise convolutions of few channels plane by plane, as is safe everywhere.

    Their inputs are copied, and their weights are stored plane by plane from then on; the results
    are the same. Other convolutions keep the layout of their inputs.

    Args:
        model: Model whose weights are trained within the context.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = nn.Conv2d(4, 8, 1, stride=2).to(memory_format=torch.channels_last)
        >>> images = torch.ones(2, 4, 8, 8).to(memory_format=torch.channels_last)
        >>> with planar_convolutions(model):
        ...     model(images).is_contiguous()
        True
    """
    hooks = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and _is_strided_pointwise(layer):
            # Adjacent channels of either the weights or the input suffice for the faulty gradient.
            layer.weight.data = layer.weight.data.clone(memory_format=torch.contiguous_format)
            hooks.append(layer.register_forward_pre_hook(_with_planes))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_strided_pointwise(layer: nn.Conv2d) -> bool:
    return layer.kernel_size == (1, 1) and layer.stride != (1, 1)


def _with_planes(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    features: Tensor = inputs[0]
    if features.shape[1] >= _FEWEST:
        return inputs
    # Not `contiguous`, which returns features of one channel as they are.
    return (features.clone(memory_format=torch.contiguous_format), *inputs[1:])
