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
    network = subject.copy().eval()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.register_forward_hook(_return_input)
    return _log_flow(subject, network, batch_size=1)


def synflow_bn(subject: Subject) -> float:
    """Compute `synflow` with batch normalisation, as in the release of Abdelfattah et al.

    Normalisation uses the statistics of the input of ones. Since its output does not depend on the
    scale of its input, layers in front of one add next to nothing to the flow.
    """
    # Two equal images have the statistics of one, and torch accepts them for a single pixel too.
    return _log_flow(subject, subject.copy(), batch_size=2)


def _log_flow(subject: Subject, network: nn.Module, batch_size: int) -> float:
    """Return the logarithm of the flow of one of several images of ones."""
    network = network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    ones = torch.ones(
        batch_size, *subject.images.shape[1:], dtype=torch.float64, device=subject.images.device
    )
    layer_weights = list(weights(network))
    with torch.random.fork_rng(devices=[]):
        # For dropout.
        torch.manual_seed(subject.seed)
        outputs = network(ones).sum() / batch_size
    # Layers that are not on a path have no gradient.
    gradients = torch.autograd.grad(outputs, layer_weights, allow_unused=True)
    flow = sum(
        float((weight.detach() * gradient).sum())
        for weight, gradient in zip(layer_weights, gradients, strict=True)
        if gradient is not None
    )
    return math.log(min(max(flow, _MIN_SUM), _MAX_SUM))


def _return_input(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return inputs[0]
