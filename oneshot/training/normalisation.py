"""Batch normalisation over the whole batch of a training in several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class WholeBatch(TorchFunctionMode):
    """Within it, training normalises by the statistics of all processes' parts of a batch.

    Whatever calls torch's `batch_norm` is meant, a user's own module too. On processors as on GPUs,
    where torch's SyncBatchNorm knows GPUs alone. All processes must run the same layers in the same
    order, on parts of equal size.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Replace `batch_norm` alone."""
        chosen = _batch_norm if func is functional.batch_norm else func
        return chosen(*args, **(kwargs or {}))


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
    """What torch's does for images [b, channels, ...], with the statistics of all processes'
    images.
    """
    if not training:
        return functional.batch_norm(
            x, running_mean, running_var, weight, bias, False, momentum, eps
        )
    own = x if x.dtype == torch.float64 else x.float()  # in mixed precision too
    axes = [0, *range(2, x.ndim)]
    var, mean = torch.var_mean(own, axes, correction=0)
    means, variances = _gathered(torch.stack([mean, var])).unbind(1)
    mean = means.mean(0)
    # The mean variance of the parts and the variance of their means: stable, where a mean of
    # squares is not.
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
    found = (own - mean.view(shape)) * scale.view(shape)
    if bias is not None:
        found = found + bias.view(shape)
    return found.to(x.dtype)


def _gathered(values: Tensor) -> Tensor:
    """The tensors [...] of all processes, [ranks, ...], with gradients; in one message."""
    place = values.new_zeros(torch.distributed.get_world_size(), *(1 for _ in values.shape))
    place[torch.distributed.get_rank()] = 1
    found: Tensor = _Sum.apply(place * values)  # type: ignore[no-untyped-call]
    return found


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient, for the loss of each depends on the others'
    images.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Add up."""
        found = values.clone()
        torch.distributed.all_reduce(found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Add up, too."""
        found = gradients[0].clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(found)
        return found
