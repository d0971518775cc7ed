"""Binary convolutions: signs of weights and activations, with straight-through gradients.

XNOR-Net: Rastegari et al., ECCV 2016 (arXiv 1603.05279); Bi-Real Net: Liu et al., ECCV 2018 (arXiv
1808.00278); BARS: Zhao et al., 2020 (arXiv 2011.10804).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from spaces.operators.layers import BinaryConv

CLIP = 1.3
"""Largest absolute activation for which the clipped estimator passes gradients, as in BARS."""


def sign(x: Tensor) -> Tensor:
    """Return 1 where x is at least 0, else -1; unlike torch's sign it is never 0."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


class ClippedSign(torch.autograd.Function):
    """The sign, whose gradient passes where |x| is at most a limit."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, limit: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limit = limit
        return sign(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * (x.abs() <= ctx.limit), None


class QuadraticSign(torch.autograd.Function):
    """The sign with the gradient of a piecewise quadratic function: 2 - 2 |x| within [-1, 1].

    Bi-Real Net, equation 7.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return sign(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope: Tensor = (2 - 2 * x.abs()).clamp(min=0)
        return gradients[0] * slope


class BinaryConv2d(nn.Conv2d):
    """A convolution of the signs of its input with the scaled signs of its weights.

    Gradients change latent weights, which each pass of a training first clamps to [-1, 1]. Padded
    pixels are 0, as in the release of XNOR-Net.

    Args:
        layer: Description of the layer.
    """

    def __init__(self, layer: BinaryConv):
        padding = layer.kernel // 2
        super().__init__(
            layer.inputs, layer.outputs, layer.kernel, layer.stride, padding, bias=False
        )
        self.scale = layer.scale
        self.estimator = layer.estimator

    def forward(self, x: Tensor) -> Tensor:
        self.clamp()
        result: Tensor = self._conv_forward(self.binary_input(x), self.binarised(self.weight), None)
        return result

    def clamp(self) -> None:
        """Clamp the latent weights to [-1, 1] while training."""
        if self.training:
            # By `data`: a second pass before the gradients are computed must not count as a change
            # of the weights that the first one stored, since clamped weights stay as they are.
            self.weight.data.clamp_(-1.0, 1.0)

    def binarised(self, weight: Tensor) -> Tensor:
        """Return the scaled signs of latent weights.

        The gradient of a sign passes where the weight is at most 1 in absolute value; gradients
        pass through the scale too, as in XNOR-Net.

        Args:
            weight: Latent weights [outputs, inputs, kernel, kernel].
        """
        if not _needs_gradients(weight):
            return sign(weight) * self._factor(weight)
        signs = ClippedSign.apply(weight, 1.0)  # type: ignore[no-untyped-call]
        return cast("Tensor", signs) * self._factor(weight)

    def binary_input(self, x: Tensor) -> Tensor:
        """Return the signs of the input."""
        if not _needs_gradients(x):
            return sign(x)
        if self.estimator == "sign_quadratic":
            signs = QuadraticSign.apply(x)  # type: ignore[no-untyped-call]
        else:
            signs = ClippedSign.apply(x, CLIP)  # type: ignore[no-untyped-call]
        return cast("Tensor", signs)

    def extra_repr(self) -> str:
        shapes = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{shapes}, scale={self.scale}, estimator={self.estimator}"

    def _factor(self, weight: Tensor) -> Tensor:
        """Return the mean absolute weight of each output channel or of all weights, or 1."""
        if self.scale == "none":
            return weight.new_ones(())
        if self.scale == "tensor":
            return weight.abs().mean()
        return weight.abs().mean((1, 2, 3), keepdim=True)


def _needs_gradients(value: Tensor) -> bool:
    # An export traces with gradients on, and has no functions with gradients of their own.
    return torch.is_grad_enabled() and value.requires_grad and not torch.compiler.is_exporting()
