"""The empirical neural tangent kernel: how differently images want to change the weights."""

from __future__ import annotations

import torch
from torch import Tensor

from predictor.proxies.subject import Subject, run, weights

# Parallel gradients make the correlations singular.
_MIN_EIGENVALUE = 1e-8


def ntk_logdet(subject: Subject) -> float:
    """Compute the log-determinant of the correlations between the images' gradients.

    The products of the gradients of two images' losses are the empirical neural tangent kernel
    (Jacot et al., NeurIPS 2018, arXiv 1806.07572) of the loss; normalised to correlations, it does
    not grow with the number or the scale of the weights. It is 0, the maximum, where every image
    changes the weights in a direction of its own, and low where a change for one image is one for
    all. Its condition number is a proxy of TE-NAS (Chen et al., ICLR 2021, arXiv 2102.11535).
    Gradients are not centred, and an image without gradient counts as fully correlated with all
    others; eigenvalues count as at least 1e-8.
    """
    network = subject.copy()
    layer_weights = list(weights(network))
    with torch.random.fork_rng(devices=[]):
        # For dropout.
        torch.manual_seed(subject.seed)
        outputs = run(network, subject.images)

    rows = []
    for index in range(len(subject.images)):
        # Normalised by the whole batch, the image alone decides the loss.
        loss = subject.loss(outputs[index : index + 1], subject.labels[index : index + 1])
        gradients = torch.autograd.grad(loss, layer_weights, retain_graph=True, allow_unused=True)
        # Layers that are not on a path have no gradient.
        used = [gradient.flatten() for gradient in gradients if gradient is not None]
        rows.append(torch.cat(used) if used else torch.zeros(1))

    return _log_determinant(torch.stack(rows))


def _log_determinant(rows: Tensor) -> float:
    """Return log |C| of the correlations C of rows [images, weights]."""
    products = (rows @ rows.T).double()
    norms = products.diagonal().sqrt()
    correlations = products / (norms[:, None] * norms)
    correlations = correlations.nan_to_num(nan=1.0, posinf=1.0, neginf=1.0)
    eigenvalues = torch.linalg.eigvalsh(correlations).clamp(min=_MIN_EIGENVALUE)
    return float(eigenvalues.log().sum())
