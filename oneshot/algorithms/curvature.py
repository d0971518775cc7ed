"""Curvature of the held-out loss in the architecture: the largest eigenvalue of its Hessian.

A search of DARTS whose largest eigenvalue grows tends to collapse to skip connections (Zela et al.,
ICLR 2020, arXiv 1909.09656).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

ITERATIONS = 100
"""Most products with the Hessian of one power iteration."""

TOLERANCE = 1e-4
"""Relative change of the eigenvalue at which the iteration ends."""


def largest_eigenvalue(
    loss: Tensor, parameters: Sequence[nn.Parameter], generator: torch.Generator
) -> float:
    """Return the largest eigenvalue of the Hessian of a loss by power iteration.

    The iteration finds the eigenvalue of the largest magnitude. Where it is negative, a second
    iteration on the Hessian minus this eigenvalue finds the largest one.

    Args:
        loss: Scalar with its graph, which the parameters are a part of.
        parameters: Parameters of the Hessian.
        generator: Source of the first vector, on the CPU.

    Example:
        >>> point = nn.Parameter(torch.tensor([1.0, 2.0, 0.5]))
        >>> loss = (point**2 * torch.tensor([1.0, 3.0, -4.0])).sum()
        >>> round(largest_eigenvalue(loss, [point], torch.Generator().manual_seed(0)), 1)
        6.0
    """
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
    # A parameter that the loss is linear in, or does not depend on, has no second derivative.
    pairs = [
        (parameter, gradient)
        for parameter, gradient in zip(parameters, gradients, strict=True)
        if gradient is not None and gradient.requires_grad
    ]
    if not pairs:
        return 0.0

    curved = [parameter for parameter, _ in pairs]
    flat = torch.cat([gradient.reshape(-1) for _, gradient in pairs])

    def product(vector: Tensor) -> Tensor:
        columns = torch.autograd.grad(
            flat @ vector.to(flat), curved, retain_graph=True, allow_unused=True
        )
        return torch.cat(
            [
                (torch.zeros_like(parameter) if column is None else column).reshape(-1)
                for parameter, column in zip(curved, columns, strict=True)
            ]
        ).double()

    start = torch.randn(flat.numel(), generator=generator, dtype=torch.float64).to(flat.device)
    dominant = _dominant(product, start)
    if dominant >= 0:
        return dominant

    return dominant + _dominant(lambda vector: product(vector) - dominant * vector, start)


def _dominant(product: Callable[[Tensor], Tensor], vector: Tensor) -> float:
    """Return the eigenvalue of the largest magnitude of a symmetric matrix.

    Args:
        product: Function that multiplies the matrix with a vector [n].
        vector: First vector [n].
    """
    vector = vector / vector.norm()
    eigenvalue = 0.0
    for _ in range(ITERATIONS):
        image = product(vector)
        norm = float(image.norm())
        if not norm > 0:
            return 0.0

        # Rayleigh's quotient, which has a sign, unlike the norm.
        before, eigenvalue = eigenvalue, float(vector @ image)
        if abs(eigenvalue - before) <= TOLERANCE * abs(eigenvalue):
            break
        vector = image / norm

    return eigenvalue
