"""The Zen-score: how much a network's features move with its input, whatever batch normalisation
takes away.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from predictor.errors import InvalidValues
from predictor.proxies.subject import Subject, run

_ALPHA = 0.01
_LEAST = 1e-30


def zen(subject: Subject) -> float:
    """log E |f(x) - f(x + a e)| + sum over batch normalisations of log sqrt(mean variance of their
    channels).

    Lin et al., "Zen-NAS", ICCV 2021 (arXiv 2102.01063), algorithm 1: weights, images x and e are
    drawn from a standard normal distribution, a = 0.01, f are the features before the global
    pooling, and |.| is the sum over channels and the mean over pixels that the release takes. As
    many images are drawn as the subject has, of its size.

    Raises:
        InvalidValues: the network has no features with pixels.
    """
    network, generator = subject.copy(), subject.generator()
    _draw(network, generator)
    shape, device = subject.images.shape, subject.images.device
    x, e = (torch.randn(shape, generator=generator).to(device) for _ in range(2))
    logarithms: list[float] = []
    features: list[Tensor] = []

    def variance(part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0]
        mean = (
            values.transpose(0, 1)
            .reshape(values.shape[1], -1)
            .double()
            .var(1, unbiased=False)
            .mean()
        )
        logarithms.append(0.5 * math.log(max(float(mean), _LEAST)))

    def remember(part: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        if (
            isinstance(output, Tensor)
            and output.ndim == 4
            and output.shape[2] * output.shape[3] > 1
        ):
            features[:] = [output.clone()]  # a copy, since an activation may work in place on it

    counted = [
        part.register_forward_pre_hook(variance) for part in network.modules() if _normalises(part)
    ]
    for part in network.modules():
        part.register_forward_hook(remember)
    with torch.no_grad():
        run(network, x)
        first = features[-1] if features else None
        for handle in counted:
            handle.remove()
        run(network, x + _ALPHA * e)
    if first is None:
        raise InvalidValues("zen needs a network with features of more than one pixel")
    moved = (first - features[-1]).abs().double().sum(1).mean()
    return math.log(max(float(moved), _LEAST)) + sum(logarithms)


def _normalises(part: nn.Module) -> bool:
    return isinstance(part, nn.BatchNorm2d)


def _draw(network: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                part.weight.copy_(torch.randn(part.weight.shape, generator=generator))
                if part.bias is not None:
                    part.bias.zero_()
            elif isinstance(part, nn.BatchNorm2d) and part.affine:
                part.weight.fill_(1)
                part.bias.zero_()
