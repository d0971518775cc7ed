"""ZiCo: the mean of gradients over batches, relative to their deviation."""

from __future__ import annotations

import math

import torch
from torch import nn

from predictor.errors import InvalidValues
from predictor.proxies.subject import Subject, run, weights

_BATCHES = 2


def zico(subject: Subject) -> float:
    """Compute sum_l log sum_w E|dL/dw| / sqrt(Var |dL/dw|) over layers l and their weights w.

    Li et al., "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients", ICLR 2023
    (arXiv 2301.11300), eq. 15. Mean and deviation are over two batches, the halves of the images,
    as in the release; a weight with equal gradients in both and a layer without others are left
    out.

    Raises:
        InvalidValues: There are fewer than two images.
    """
    if len(subject.images) < _BATCHES:
        raise InvalidValues(f"zico needs at least {_BATCHES} images, one for each batch, not 1")

    network = subject.copy()
    layer_weights = list(weights(network))
    gradients = []
    for images, labels in zip(
        subject.images.chunk(_BATCHES), subject.labels.chunk(_BATCHES), strict=True
    ):
        loss = nn.functional.cross_entropy(run(network, images), labels)
        gradients.append(torch.autograd.grad(loss, layer_weights, allow_unused=True))

    total = 0.0
    for layer in zip(*gradients, strict=True):
        # Layers that are not on a path have no gradient.
        if any(gradient is None for gradient in layer):
            continue
        sizes = torch.stack(layer).abs().double()
        mean = sizes.mean(0)
        deviation = torch.stack(layer).double().std(0, unbiased=False)
        ratio = float((mean / deviation)[deviation > 0].sum())
        if ratio > 0:
            total += math.log(ratio)
    return total
