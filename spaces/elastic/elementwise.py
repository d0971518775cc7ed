"""Activations as operations of single elements, for tracing which channels are coupled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def elementwise_activations(model: nn.Module) -> Iterator[None]:
    """Make a network's activations plain operations of single elements within the block.

    Two kinds hide from torch-pruning how many channels enter a concatenation: activations in place
    behind a view, such as the result of an instance normalisation, since autograd records them as
    copies of slices; and a PReLU with one slope for all channels, whose slope has no channels.

    Args:
        model: Network, which is as before after the block.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.PReLU())
        >>> with elementwise_activations(network):
        ...     print(network[1])
        LeakyReLU(negative_slope=0.01)
        >>> network[1]
        PReLU(num_parameters=1)
    """
    in_place = [module for module in model.modules() if getattr(module, "inplace", False) is True]
    # A module that is used at several places has a path for each.
    slopes = [
        (path, module)
        for path, module in model.named_modules(remove_duplicate=False)
        if path and isinstance(module, nn.PReLU) and module.num_parameters == 1
    ]
    try:
        for module in in_place:
            module.inplace = False  # type: ignore[assignment]
        for path, _ in slopes:
            model.set_submodule(path, nn.LeakyReLU())
        yield
    finally:
        for module in in_place:
            module.inplace = True  # type: ignore[assignment]
        for path, slope in slopes:
            model.set_submodule(path, slope)
