"""Proxies from the differences between the images of one batch in a network (Mellor et al.)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from predictor.errors import InvalidValues
from predictor.proxies.subject import Subject, run

# k of the equations, which keeps logarithms and quotients finite.
_K = 1e-5
_MIN_EIGENVALUE = 1e-6
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardswish, nn.SiLU, nn.GELU)


def naswot(subject: Subject) -> float:
    """Compute log |K| with K_ij = N - d(c_i, c_j).

    c_i has one bit for each of the N units of all activations: whether its input is positive for
    image i. K_ij counts the units with equal bits for the images i and j. Mellor et al., "Neural
    Architecture Search without Training", ICML 2021 (arXiv 2006.04647v3), eq. 2 and 3. As in the
    release, activations that the outputs do not depend on, such as those on dead edges of a cell,
    do not count. Images with equal codes make K singular; eigenvalues count as at least 1e-6.

    Raises:
        InvalidValues: The network has no activation module.
    """
    network = subject.copy()
    count = len(subject.images)
    kernel = torch.zeros(count, count, dtype=torch.float64, device=subject.images.device)

    agreements: dict[nn.Module, Tensor] = {}

    # Before the activation, since one that works in place has overwritten its input afterwards.
    def count_agreements(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        code = (inputs[0].detach().reshape(count, -1) > 0).to(torch.float32)
        agreements[module] = code @ code.T + (1 - code) @ (1 - code).T

    def add_when_reached(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        agreement = agreements.pop(module)

        def add(gradient: Tensor) -> None:
            kernel.add_(agreement)

        # The backward pass reaches exactly the activations that the outputs depend on.
        if output.requires_grad:
            output.register_hook(add)  # type: ignore[no-untyped-call]

    handles = []
    for module in network.modules():
        if isinstance(module, _ACTIVATIONS):
            handles.append(module.register_forward_pre_hook(count_agreements))
            handles.append(module.register_forward_hook(add_when_reached))
    if not handles:
        names = ", ".join(kind.__name__ for kind in _ACTIVATIONS)
        raise InvalidValues(f"naswot needs a network with activations as modules: {names}")
    # The images' gradients reach activations before any weight, in networks that begin with one.
    outputs = run(network, subject.images.clone().requires_grad_())
    if outputs.requires_grad:
        torch.autograd.backward(outputs.sum())
    return float(torch.linalg.eigvalsh(kernel).clamp(min=_MIN_EIGENVALUE).log().sum())


def relu_count(subject: Subject) -> float:
    """Count the units of all activations for one image: N of `naswot`, dead edges included.

    Raises:
        InvalidValues: The network has no activation module.
    """
    network = subject.copy().eval()
    counts: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        counts.append(output.numel())

    for module in network.modules():
        if isinstance(module, _ACTIVATIONS):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(subject.images[:1])
    if not counts:
        names = ", ".join(kind.__name__ for kind in _ACTIVATIONS)
        raise InvalidValues(f"relu_count needs a network with activations as modules: {names}")
    return float(sum(counts))


def jacob_cov(subject: Subject) -> float:
    """Compute -sum_i (log(s_i + k) + 1 / (s_i + k)) with k = 1e-5.

    s are the eigenvalues of the correlation matrix of the images' gradients: that of the sum of an
    image's outputs by the image. Mellor et al., arXiv 2006.04647v1, eq. 2 to 4. An image without
    gradient counts as fully correlated with all others.
    """
    network = subject.copy()
    images = subject.images.clone().requires_grad_()

    # The output of a network without a path from input to output does not depend on its images.
    (input_gradient,) = torch.autograd.grad(run(network, images).sum(), images, allow_unused=True)
    gradient = torch.zeros_like(images) if input_gradient is None else input_gradient

    rows = gradient.reshape(len(images), -1).double()
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1)
    correlation = (rows @ rows.T) / (norms[:, None] * norms)
    eigenvalues = torch.linalg.eigvalsh(
        correlation.nan_to_num(nan=1.0, posinf=1.0, neginf=1.0)
    ).clamp(min=0)
    return -float(((eigenvalues + _K).log() + 1 / (eigenvalues + _K)).sum())
