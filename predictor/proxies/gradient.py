"""Proxies from the gradient of the loss on one batch."""

from __future__ import annotations

from predictor.proxies.subject import Subject


def snip(subject: Subject) -> float:
    """Sum |w * dL/dw| over weights, the sensitivity of the loss to single weights.

    Lee et al., "SNIP", ICLR 2019 (arXiv 1810.02340), eq. 6 without its normalisation, summed over
    the network as in Abdelfattah et al., ICLR 2021, section 3.1.
    """
    return float(
        sum((weight * gradient).abs().sum().item() for weight, gradient in subject.gradients)
    )


def grad_norm(subject: Subject) -> float:
    """Sum the Euclidean norms of dL/dw over layers.

    Abdelfattah et al., ICLR 2021, section 3.1.
    """
    return float(sum(gradient.norm().item() for _, gradient in subject.gradients))
