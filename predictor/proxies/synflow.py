"""Synaptic flow: what passes through a network of absolute weights; no image is looked at."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from predictor.proxies.subject import Subject, weights

_LEAST, _GREATEST = 1e-300, 1e300


def synflow(subject: Subject) -> float:
    """The natural logarithm of sum_w w * dR/dw with R = 1^T (prod_l |W_l|) 1.

    Tanaka et al., NeurIPS 2020 (arXiv 2006.05467), eq. 1 and 2. The weights are made absolute, the
    input is all ones, and batch normalisation passes its input on, as in Abdelfattah et al., ICLR
    2021. The sum is taken in double precision; its logarithm ranks alike and stays readable for
    deep networks. A network that passes nothing on has log 1e-300.
    """
    network = subject.copy().eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.register_forward_hook(_input_instead)
    ones = torch.ones(
        1, *subject.images.shape[1:], dtype=torch.float64, device=subject.images.device
    )
    own = list(weights(network))
    gradients = torch.autograd.grad(network(ones).sum(), own, allow_unused=True)
    found = sum(
        float((w.detach() * g).sum()) for w, g in zip(own, gradients, strict=True) if g is not None
    )
    return math.log(min(max(found, _LEAST), _GREATEST))


def _input_instead(part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return inputs[0]
