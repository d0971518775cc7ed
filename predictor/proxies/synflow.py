"""Synaptic flow: the flow through a network of absolute weights, without images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from predictor.proxies.subject import Subject, weights

# Bounds of the sum, so that its logarithm is finite.
_MIN_SUM = 1e-300
_MAX_SUM = 1e300


def synflow(subject: Subject) -> float:
    """Compute the natural logarithm of sum_w w * dR/dw with R = 1^T (prod_l |W_l|) 1.

    Tanaka et al., NeurIPS 2020 (arXiv 2006.05467), eq. 1 and 2. The weights are made absolute, the
    input is all ones, and batch normalisation passes its input on, as in Abdelfattah et al., ICLR
    2021. The sum has double precision; its logarithm has the same ranking and stays readable for
    deep networks. A network without flow has log 1e-300.
    """
    network = subject.copy().eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()

    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.register_forward_hook(_return_input)

    ones = torch.ones(
        1, *subject.images.shape[1:], dtype=torch.float64, device=subject.images.device
    )
    layer_weights = list(weights(network))

    # Layers that are not on a path have no gradient.
    gradients = torch.autograd.grad(network(ones).sum(), layer_weights, allow_unused=True)
    flow = sum(
        float((weight.detach() * gradient).sum())
        for weight, gradient in zip(layer_weights, gradients, strict=True)
        if gradient is not None
    )
    return math.log(min(max(flow, _MIN_SUM), _MAX_SUM))


def _return_input(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return inputs[0]
