"""Rounding to a grid of numbers, with a straight-through gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from oneshot.errors import InvalidOption

SCALES = ("float", "power-of-two")
"""Steps of the grid: any float, or powers of two that hardware shifts by."""


def check_bits(name: str, bits: int) -> None:
    """Check a number of bits.

    Args:
        name: Name of the perturbation, for the error.
        bits: Number of bits of an integer.

    Raises:
        InvalidOption: It is not from 2 to 16.
    """
    if not 2 <= bits <= 16:
        raise InvalidOption(f"under {name}: bits must be from 2 to 16, not {bits}")


Bounds = tuple[Tensor | float, Tensor | float]
"""Least and greatest integer of a grid."""


def rounded(
    values: Tensor, step: Tensor, bounds: Bounds | None = None, *, cuts_gradient: bool = True
) -> Tensor:
    """Round values to integers times a step.

    The gradient passes unchanged where a value is within the bounds, and is 0 elsewhere (Bengio et
    al., arXiv 1308.3432).

    Args:
        values: Values of any shape, in single precision.
        step: Step of the grid, which broadcasts to the values.
        bounds: Least and greatest integer; None: the values themselves define the grid's ends, so
            that none is outside.
        cuts_gradient: Whether values outside the bounds have the gradient 0.

    Example:
        >>> rounded(torch.tensor([0.3, 9.0]), torch.tensor(0.5), (-2, 1))
        tensor([0.5000, 0.5000])
    """
    result: Tensor = _Rounded.apply(values, step, bounds, cuts_gradient)  # type: ignore[no-untyped-call]
    return result


class _Rounded(torch.autograd.Function):
    """Rounding whose backward pass lets gradients through."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, step: Tensor, bounds: Bounds | None, cuts_gradient: bool
    ) -> Tensor:
        """Return the rounded values."""
        levels = (values / step).round_()
        if bounds is not None:
            lowest, highest = bounds
            if cuts_gradient and values.requires_grad:
                ctx.save_for_backward((levels >= lowest) & (levels <= highest))
            levels.clamp_(lowest, highest)  # type: ignore[arg-type]
        return levels.mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the values."""
        (gradient,) = gradients
        for inside in ctx.saved_tensors:
            gradient = gradient * inside
        return gradient, None, None, None


def positive(steps: Tensor) -> Tensor:
    """Return steps without zeros, by which nothing could be divided."""
    return steps.clamp(min=1e-30)


def power_of_two_step(values: Tensor, bits: int) -> Tensor:
    """Return the step 2^(ceil(log2 max|x|) - bits + 1) of a symmetric grid over a whole tensor.

    Args:
        values: Values that the grid covers.
        bits: Number of bits of an integer.

    Example:
        >>> power_of_two_step(torch.tensor([-3.0, 1.0]), bits=8)
        tensor(0.0312)
    """
    largest = positive(values.detach().abs().amax())
    return torch.exp2(largest.log2().ceil() - (bits - 1))


def on_power_of_two_grid(values: Tensor, bits: int, step: Tensor | None = None) -> Tensor:
    """Round values to the two's-complement integers of a power-of-two grid.

    Args:
        values: Values of any shape, in single precision.
        bits: Number of bits of an integer.
        step: Step of the grid; None: that of the values.
    """
    limit = 2.0 ** (bits - 1)
    is_fixed = step is not None
    if step is None:
        step = power_of_two_step(values, bits)

    # On a grid of their own at most the greatest value is clipped, by one step.
    return rounded(values, step, (-limit, limit - 1), cuts_gradient=is_fixed)


def on_channel_grids(weight: Tensor, bits: int) -> Tensor:
    """Round weights to a symmetric grid for each output channel.

    Args:
        weight: Weights [channels, ...].
        bits: Number of bits of an integer.
    """
    limit = 2.0 ** (bits - 1) - 1
    largest = weight.detach().abs().flatten(1).amax(1)
    step = positive(largest / limit).view(-1, *(1 for _ in weight.shape[1:]))
    return rounded(weight, step)


def on_range_grid(values: Tensor, bits: int, limits: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Round values to 2^bits equally distant numbers, of which 0 is one.

    Args:
        values: Values of any shape, in single precision.
        bits: Number of bits of an integer.
        limits: Least value, at most 0, and greatest value, at least 0, of the grid; None: those of
            the values.
    """
    low, high = range_of(values) if limits is None else limits
    levels = 2.0**bits - 1
    step = positive((high - low) / levels)
    if limits is None:
        return rounded(values, step)

    # 0 is exact, as padding and rectified features need: the zero point is an integer.
    lowest = (low / step).round()
    return rounded(values, step, (lowest, lowest + levels))


def range_of(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least and the greatest value of a tensor, with 0 between them."""
    values = values.detach().float()
    if values.ndim == 4:
        # In the order of the memory, since torch is four times slower on channels-last tensors.
        values = values.permute(0, 2, 3, 1)
    low, high = torch.aminmax(values)
    return low.clamp(max=0), high.clamp(min=0)
