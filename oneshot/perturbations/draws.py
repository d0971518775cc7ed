"""Random tensors on any device from the generator of a pass, which is on the processor."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def on_device(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """Return a generator on a device, which depends on the next number of another one.

    Copying random numbers of whole feature maps to a GPU would take longer than drawing them there.

    Args:
        generator: Generator on the processor.
        device: Device of the numbers.
    """
    if device.type == "cpu":
        return generator

    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)


def uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return numbers from 0 to 1 with the shape and the device of a tensor.

    Args:
        like: Tensor, whose type is that of the numbers.
        generator: Generator on the processor.
    """
    return _drawn(torch.rand, like, generator)


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard normal numbers with the shape and the device of a tensor.

    Args:
        like: Tensor, whose type is that of the numbers.
        generator: Generator on the processor.
    """
    return _drawn(torch.randn, like, generator)


def _drawn(draw: Callable[..., Tensor], like: Tensor, generator: torch.Generator) -> Tensor:
    source = on_device(generator, like.device)
    return draw(like.shape, generator=source, device=like.device, dtype=like.dtype)
