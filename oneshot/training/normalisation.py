"""Batch normalisation over the whole batch in a training with several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class WholeBatch(TorchFunctionMode):
    """Context in which training normalises by the statistics of all processes' images.

    It affects every call of torch's `batch_norm`, including those of a user's module, and works on
    processors as well as on GPUs, unlike torch's SyncBatchNorm. All processes must run the same
    layers in the same order, on batches of equal size.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Replace `batch_norm` alone."""
        function = _batch_norm if func is functional.batch_norm else func
        return function(*args, **(kwargs or {}))


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise images [b, channels, ...] as torch does, with all processes' statistics."""
    if not training:
        return functional.batch_norm(
            x, running_mean, running_var, weight, bias, False, momentum, eps
        )

    # In single precision at least, in mixed precision too.
    values = x if x.dtype == torch.float64 else x.float()
    axes = [0, *range(2, x.ndim)]
    var, mean = torch.var_mean(values, axes, correction=0)
    means, variances = _all_gather(torch.stack([mean, var])).unbind(1)
    mean = means.mean(0)

    # Mean of the variances plus variance of the means: numerically stable, unlike the difference
    # of a mean of squares and a squared mean.
    var = (variances + (means - mean).square()).mean(0)
    if running_mean is not None and running_var is not None:
        count = len(means) * x.numel() // x.shape[1]
        running_mean.lerp_(mean.detach().to(running_mean.dtype), momentum)
        running_var.lerp_(
            (var.detach() * count / max(count - 1, 1)).to(running_var.dtype), momentum
        )

    scale = (var + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    shape = 1, -1, *(1 for _ in axes[1:])
    normalised = (values - mean.view(shape)) * scale.view(shape)
    if bias is not None:
        normalised = normalised + bias.view(shape)
    return normalised.to(x.dtype)


def _all_gather(values: Tensor) -> Tensor:
    """Return the tensors [...] of all processes as [ranks, ...], with gradients.

    One sum is one message; each process adds its values at its own index.
    """
    one_hot = values.new_zeros(torch.distributed.get_world_size(), *(1 for _ in values.shape))
    one_hot[torch.distributed.get_rank()] = 1
    gathered: Tensor = _Sum.apply(one_hot * values)  # type: ignore[no-untyped-call]
    return gathered


class _Sum(torch.autograd.Function):
    """Sum over all processes.

    Its gradient is a sum as well, since the loss of each process depends on the others' images.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Add the values of all processes."""
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Add the gradients of all processes."""
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total
