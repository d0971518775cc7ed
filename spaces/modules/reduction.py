"""How several outputs become one: masks that select or weight them, and their reduction (NNI's
meaning).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce as fold
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from spaces.errors import InvalidParameter

Reduction: TypeAlias = Literal["sum", "mean", "concat", "none"]
"""sum, mean (over how many there are), concat (along channels, dimension 1), none (the list
itself).
"""


def check_reduction(reduction: str) -> None:
    """Raise InvalidParameter unless `reduction` is one that `reduced` knows."""
    if reduction not in get_args(Reduction):
        raise InvalidParameter(
            f"reduction must be one of {', '.join(get_args(Reduction))}, not {reduction!r}"
        )


def masked(mask: Tensor, outputs: Sequence[Callable[[], Tensor]]) -> list[Tensor]:
    """What a mask leaves of the outputs; those that it drops are not computed.

    Args:
        mask: bool [n] selects; float [n] weights. A weight of 0 drops its output unless the mask
            takes gradients.
        outputs: n functions that compute them.

    Raises:
        InvalidParameter: the mask has another length, or is neither bool nor floating.
    """
    if mask.shape != (len(outputs),):
        raise InvalidParameter(
            f"a mask of {len(outputs)} candidates has the shape [{len(outputs)}], not"
            f" {[*mask.shape]}"
        )
    if mask.dtype == torch.bool:
        return [output() for output, taken in zip(outputs, mask.tolist(), strict=True) if taken]
    if not mask.is_floating_point():
        raise InvalidParameter(f"a mask is bool (selects) or floating (weights), not {mask.dtype}")
    needed = [True] * len(outputs) if mask.requires_grad else mask.detach().ne(0).tolist()
    return [
        output() * weight
        for output, weight, used in zip(outputs, mask, needed, strict=True)
        if used
    ]


def reduced(reduction: str, outputs: list[Tensor]) -> Tensor | list[Tensor] | None:
    """The outputs reduced to one; None where there is none to reduce, a single one as it is.

    Args:
        reduction: one of `Reduction`.
        outputs: tensors of one shape (concat: alike but for dimension 1).
    """
    if reduction == "none":
        return outputs
    if len(outputs) < 2:
        return outputs[0] if outputs else None
    if reduction == "concat":
        return torch.cat(outputs, 1)
    total = fold(torch.add, outputs)
    return total / len(outputs) if reduction == "mean" else total
