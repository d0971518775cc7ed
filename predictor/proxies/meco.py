"""MeCo: how independent the channels of a layer are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from predictor.proxies.subject import Subject, run

_PIXELS = 64 * 64
"""Pixels of the release's one random image, for every data set."""


def meco(subject: Subject) -> float:
    """Sum the least eigenvalues of the correlations between the channels of each layer.

    Jiang et al., "MeCo: Zero-Shot NAS with One Data and Single Forward Pass via Minimum Eigenvalue
    of Correlation", NeurIPS 2023, eq. 8. Layers are the modules without children that return
    images. The input is standard normal noise: as many images of the subject's size as have the
    pixels of the release's one of 64 x 64, since a network may accept no other size. Channels
    correlate over the pixels of all images; a layer with a constant channel has the eigenvalue 0.

    Raises:
        InvalidValues: The images are too few for batch normalisation.
    """
    network = subject.copy()
    shape = subject.images.shape[1:]
    count = math.ceil(_PIXELS / (shape[1] * shape[2]))
    noise = torch.randn(count, *shape, generator=subject.generator()).to(subject.images.device)
    eigenvalues: list[float] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            eigenvalues.append(_min_eigenvalue(output.transpose(0, 1).flatten(1)))

    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(record)
    with torch.no_grad():
        run(network, noise)
    return sum(eigenvalues)


def _min_eigenvalue(rows: Tensor) -> float:
    """Return the least eigenvalue of the correlation matrix of rows [channels, pixels]."""
    channels, pixels = rows.shape
    # Centred rows span at most one dimension less than there are pixels.
    if channels >= pixels:
        return 0.0
    rows = rows.double()
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1)
    constant = norms == 0
    if constant.any():
        return 0.0
    rows = rows / norms[:, None]
    return float(torch.linalg.eigvalsh(rows @ rows.T)[0].clamp(min=0))
