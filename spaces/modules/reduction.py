"""Masks that select or weight outputs, and reductions of several outputs to one (as in NNI)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce as fold
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from spaces.errors import InvalidParameter

Reduction: TypeAlias = Literal["sum", "mean", "concat", "none"]
"""`sum`, `mean`, `concat` (along the channels, dimension 1), or `none` (the list itself)."""


def check_reduction(reduction: str) -> None:
    """Raise InvalidParameter unless `reduction` is a `Reduction`."""
    if reduction not in get_args(Reduction):
        raise InvalidParameter(
            f"reduction must be one of {', '.join(get_args(Reduction))}, not {reduction!r}"
        )


def masked(mask: Tensor, outputs: Sequence[Callable[[], Tensor]]) -> list[Tensor]:
    """Apply a mask to outputs; those that it drops are not computed.

    Args:
        mask: Bool [n] selects, float [n] weights. A weight of 0 drops its output unless the mask
            requires gradients.
        outputs: Functions that compute the n outputs.

    Raises:
        InvalidParameter: The mask has another length, or is neither bool nor floating.
    """
    if mask.shape != (len(outputs),):
        raise InvalidParameter(
            f"a mask of {len(outputs)} candidates has the shape [{len(outputs)}], not"
            f" {[*mask.shape]}"
        )

    if mask.dtype == torch.bool:
        return [output() for output, used in zip(outputs, mask.tolist(), strict=True) if used]
    if not mask.is_floating_point():
        raise InvalidParameter(f"a mask is bool (selects) or floating (weights), not {mask.dtype}")

    # The gradient of a weight needs its output, even if the weight is 0.
    needed = [True] * len(outputs) if mask.requires_grad else mask.detach().ne(0).tolist()

    return [
        output() * weight
        for output, weight, used in zip(outputs, mask, needed, strict=True)
        if used
    ]


def reduced(reduction: str, outputs: list[Tensor]) -> Tensor | list[Tensor] | None:
    """Reduce outputs to one; the result is None without outputs, and a single one as it is.

    Args:
        reduction: One of `Reduction`.
        outputs: Tensors of one shape; for `concat` dimension 1 may differ.
    """
    if reduction == "none":
        return outputs
    if len(outputs) < 2:
        return outputs[0] if outputs else None
    if reduction == "concat":
        return torch.cat(outputs, 1)

    # Not torch.stack and sum, which would copy all outputs.
    total = fold(torch.add, outputs)

    return total / len(outputs) if reduction == "mean" else total
