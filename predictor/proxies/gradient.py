"""Proxies from the gradient of the loss on one batch."""

from __future__ import annotations

from predictor.proxies.subject import Subject


def snip(subject: Subject) -> float:
    """The sum over weights of |w * dL/dw|, how much the loss hangs on single weights.

    Lee et al., "SNIP", ICLR 2019 (arXiv 1810.02340), eq. 6 without its normalisation, summed over
    the network as in Abdelfattah et al., ICLR 2021, section 3.1.
    """
    return float(
        sum((weight * gradient).abs().sum().item() for weight, gradient in subject.gradients)
    )


def grad_norm(subject: Subject) -> float:
    """The sum over layers of the Euclidean norm of dL/dw (Abdelfattah et al., ICLR 2021, section
    3.1).
    """
    return float(sum(gradient.norm().item() for _, gradient in subject.gradients))
