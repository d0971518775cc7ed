"""Masks that select or weight outputs, and reductions of several outputs to one (as in NNI)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce as fold
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from spaces.errors import InvalidParameter

Reduction: TypeAlias = Literal["sum", "mean", "concat", "none"]
"""`sum`, `mean`, `concat` (along the channels, dimension 1), or `none` (the list itself)."""


def is_reduction(name: object) -> bool:
    """Return whether a value is the name of a `Reduction`."""
    return name in get_args(Reduction)


def check_reduction(reduction: object) -> None:
    """Raise InvalidParameter unless `reduction` is a `Reduction`."""
    if not is_reduction(reduction):
        raise InvalidParameter(
            f"reduction must be one of {', '.join(get_args(Reduction))}, not {reduction!r}; a key"
            " is given as key=..."
        )


def masked(mask: Tensor, outputs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Apply a mask to outputs; those that it drops are not computed.

    Args:
        mask: Bool [n] selects, float [n] weights. A weight of 0 drops its output unless the mask
            requires gradients.
        outputs: Functions that compute the n outputs: tensors or containers of them.

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
        scaled(output(), weight)
        for output, weight, used in zip(outputs, mask, needed, strict=True)
        if used
    ]


def scaled(output: Any, weight: Tensor) -> Any:
    """Multiply an output by a weight: a tensor, or every floating tensor of a container.

    Args:
        output: Tensor, or tuples, lists and dicts of tensors, as `nn.LSTM` returns them.
        weight: Tensor [].
    """
    if isinstance(output, Tensor):
        return output * weight
    return _combined(lambda tensors: tensors[0] * weight, [output])


def reduced(reduction: str, outputs: list[Any]) -> Any:
    """Reduce outputs to one; the result is None without outputs, and a single one as it is.

    Containers are reduced tensor by tensor.

    Args:
        reduction: One of `Reduction`.
        outputs: Tensors of one shape (for `concat` dimension 1 may differ), or tuples, lists and
            dicts of such tensors.

    Raises:
        InvalidParameter: The outputs are containers of different forms.
    """
    if reduction == "none":
        return outputs
    if len(outputs) < 2:
        return outputs[0] if outputs else None
    if all(isinstance(output, Tensor) for output in outputs):
        return _reduced_tensor(reduction, outputs)
    return _combined(lambda tensors: _reduced_tensor(reduction, tensors), outputs)


def _reduced_tensor(reduction: str, tensors: Sequence[Tensor]) -> Tensor:
    if reduction == "concat":
        return torch.cat(list(tensors), 1)

    # Not torch.stack and sum, which would copy all outputs.
    total = fold(torch.add, tensors)

    return total / len(tensors) if reduction == "mean" else total


def _combined(function: Callable[[Sequence[Tensor]], Tensor], outputs: Sequence[Any]) -> Any:
    """Apply a function to the corresponding floating tensors of containers of one form.

    Other values, such as lengths and None, have no weighted sum; they must be equal.

    Raises:
        InvalidParameter: The outputs have different forms or other values.
    """
    first = outputs[0]
    if all(isinstance(output, Tensor) and output.is_floating_point() for output in outputs):
        return function(outputs)

    if all(type(output) is type(first) for output in outputs):
        if isinstance(first, dict) and all(output.keys() == first.keys() for output in outputs):
            return {key: _combined(function, [output[key] for output in outputs]) for key in first}
        if isinstance(first, tuple | list) and all(len(output) == len(first) for output in outputs):
            items = [_combined(function, column) for column in zip(*outputs, strict=True)]
            return type(first)(*items) if hasattr(first, "_fields") else type(first)(items)

        # A value that is no tensor is taken from the first candidate, since all agree.
        if all(_equal(output, first) for output in outputs):
            return first

    raise InvalidParameter(
        "the outputs of candidates that are mixed need one form; these are "
        + " and ".join(sorted({_form(output) for output in outputs}))
    )


def _equal(output: Any, other: Any) -> bool:
    if isinstance(output, Tensor):
        return torch.equal(output, other)
    return bool(output == other)


def _form(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of {str(output.dtype).removeprefix('torch.')}"
    if isinstance(output, tuple | list | dict):
        return f"a {type(output).__name__} of {len(output)}"
    return repr(output)[:60]
