"""The Zen-score: the sensitivity of features to the input, corrected for batch normalisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from predictor.errors import InvalidValues
from predictor.proxies.subject import Subject, run

# a of the algorithm: the scale of the perturbation.
_ALPHA = 0.01
# Least value whose logarithm is taken.
_MIN_VALUE = 1e-30


def zen(subject: Subject) -> float:
    """Compute log E |f(x) - f(x + a e)| + sum over batch normalisations of log sqrt(variance).

    Lin et al., "Zen-NAS", ICCV 2021 (arXiv 2102.01063), algorithm 1: weights, images x and
    perturbations e are sampled from a standard normal distribution, a = 0.01, f are the features
    before the global pooling, the variance is the mean over channels, and |.| is the sum over
    channels and pixels, of which the mean over images is taken. Number and size of the images are
    those of the subject.

    Raises:
        InvalidValues: The network has no features of more than one pixel.
    """
    network = subject.copy()
    generator = subject.generator()
    _initialise(network, generator)
    shape = subject.images.shape
    device = subject.images.device
    x, e = (torch.randn(shape, generator=generator).to(device) for _ in range(2))
    logarithms: list[float] = []
    features: list[Tensor] = []

    def record_variance(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        channels = inputs[0].transpose(0, 1).reshape(inputs[0].shape[1], -1).double()
        variance = float(channels.var(1, unbiased=False).mean())
        logarithms.append(0.5 * math.log(max(variance, _MIN_VALUE)))

    def record_features(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        if not isinstance(output, Tensor) or output.ndim != 4:
            return
        if output.shape[2] * output.shape[3] > 1:
            # A copy, since an activation may overwrite its input.
            features[:] = [output.clone()]

    handles = [
        module.register_forward_pre_hook(record_variance)
        for module in network.modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    for module in network.modules():
        module.register_forward_hook(record_features)
    with torch.no_grad():
        run(network, x)
        first = features[-1] if features else None
        # The variances are those of the unperturbed images.
        for handle in handles:
            handle.remove()
        run(network, x + _ALPHA * e)

    if first is None:
        raise InvalidValues("zen needs a network with features of more than one pixel")

    # Summed over pixels too (IDSTCV/ZenNAS): their mean would favour low resolutions.
    difference = (first - features[-1]).abs().double().sum((1, 2, 3)).mean()
    return math.log(max(float(difference), _MIN_VALUE)) + sum(logarithms)


def _initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Sample all weights from a standard normal distribution."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator))
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d) and module.affine:
                module.weight.fill_(1)
                module.bias.zero_()
