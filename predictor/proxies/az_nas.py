"""The proxies of AZ-NAS: expressivity, progressivity and trainability.

Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR 2024
(arXiv 2403.19232). The fourth proxy, complexity, is `macs`; `aggregation.log_rank_sum` combines
the four. Weights are sampled by Kaiming's rule and images from a standard normal distribution;
number and size of the images are those of the subject.
"""

from __future__ import annotations

import itertools
import math
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from predictor.proxies.block_features import block_features, initialise_kaiming
from predictor.proxies.subject import Subject

# Of the release: they keep logarithms and quotients finite.
_MIN_PROBABILITY = 1e-8
_MIN_NORM = 1e-6

# Two proxies read the entropies of a subject, which need a forward pass.
_ENTROPIES: WeakKeyDictionary[Subject, list[float]] = WeakKeyDictionary()


def expressivity(subject: Subject) -> float:
    """Sum the entropies of the features' principal components over blocks (eq. 2 and 3).

    A block's components are the eigenvalues of its channels' covariance over images and pixels,
    divided by their sum. Features that are constant have the entropy 0.
    """
    return sum(_entropies(subject))


def progressivity(subject: Subject) -> float:
    """Compute the least growth of the entropy from one block to the next (eq. 4)."""
    entropies = _entropies(subject)
    return min(after - before for before, after in itertools.pairwise(entropies))


def trainability(subject: Subject) -> float:
    """Compute the mean over blocks of 2 - s - 1/s, s the spectral norm of a block's Jacobian.

    It is 0, the maximum, where gradients keep their norm (eq. 5 to 8). The Jacobian is estimated
    from gradients g of random signs after a block and the gradients h before it, as the mean of
    h g^T over images and pixels. Where a block changes the side, the pixels of the finer grid that
    belong to one of the coarser are channels. A block that returns its input counts like one
    without gradient, since it trains nothing.
    """
    network, images, generator = _prepare(subject)
    # A first block without weights has a gradient, too.
    features = block_features(network, images.requires_grad_())
    scores = []

    for before, after in itertools.pairwise(features):
        signs = torch.randint(0, 2, after.shape, generator=generator).to(after) * 2 - 1
        gradient = _gradient(before, after, signs)
        if gradient is None or (gradient.shape == signs.shape and torch.equal(gradient, signs)):
            norm = 0.0
        else:
            norm = _spectral_norm(gradient, signs)
        scores.append(2 - norm - 1 / (norm + _MIN_NORM))

    return sum(scores) / len(scores)


def _prepare(subject: Subject) -> tuple[nn.Module, Tensor, torch.Generator]:
    """Return a network with new weights, and noise in the shape of the images."""
    network = subject.copy()
    generator = subject.generator()
    initialise_kaiming(network, generator)
    noise = torch.randn(subject.images.shape, generator=generator)
    return network, noise.to(subject.images.device), generator


def _entropies(subject: Subject) -> list[float]:
    if subject not in _ENTROPIES:
        network, images, _ = _prepare(subject)
        with torch.no_grad():
            features = block_features(network, images)
            _ENTROPIES[subject] = [_entropy(block) for block in features]
    return _ENTROPIES[subject]


def _entropy(features: Tensor) -> float:
    """Return -sum p log p of the normalised eigenvalues p of the channels' covariance."""
    channels = features.transpose(0, 1).flatten(1)
    channels = channels - channels.mean(1, keepdim=True)
    eigenvalues = torch.linalg.eigvalsh(channels @ channels.T / channels.shape[1]).clamp(min=0)
    total = eigenvalues.sum()
    if total == 0:
        return 0.0
    probabilities = eigenvalues / total
    return float(-(probabilities * (probabilities + _MIN_PROBABILITY).log()).sum())


def _gradient(before: Tensor, after: Tensor, signs: Tensor) -> Tensor | None:
    # Constant features, such as zeros of a cell without a path, have no graph.
    if not after.requires_grad or not before.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(after, before, signs, retain_graph=True, allow_unused=True)
    return gradient


def _spectral_norm(gradient: Tensor, signs: Tensor) -> float:
    """Return the spectral norm of the mean of h g^T over the pixels of the coarser grid."""
    grid = torch.Size(map(min, gradient.shape[2:], signs.shape[2:]))
    rows = _on_grid(gradient, grid)
    columns = _on_grid(signs, grid)
    return float(torch.linalg.matrix_norm(rows @ columns.T / columns.shape[1], ord=2))


def _on_grid(features: Tensor, grid: torch.Size) -> Tensor:
    """Return features as [channels, pixels]; pixels that share one of the grid are channels."""
    height, width = features.shape[2:]
    rows, columns = math.ceil(height / grid[0]), math.ceil(width / grid[1])
    missing = (0, columns * grid[1] - width, 0, rows * grid[0] - height)
    padded = nn.functional.pad(features, missing)
    return (
        nn.functional.unfold(padded, (rows, columns), stride=(rows, columns))
        .transpose(0, 1)
        .flatten(1)
    )
