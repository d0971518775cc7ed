"""Proxies from the gradient of the loss on one batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from predictor.proxies.subject import Subject, run, weights


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


def plain(subject: Subject) -> float:
    """Sum w * dL/dw over weights, the first-order change of the loss when all weights shrink.

    Abdelfattah et al., ICLR 2021, whose release calls it plain: SNIP without the absolute value.
    """
    return float(sum((weight * gradient).sum().item() for weight, gradient in subject.gradients))


def grasp(subject: Subject) -> float:
    """Sum -(H g) * w over weights, with g = dL/dw and H the Hessian of the loss.

    Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient Flow" (GraSP), ICLR
    2020 (arXiv 2002.07376), eq. 8, summed over the network as in Abdelfattah et al., ICLR 2021.
    """
    network = subject.copy()
    with torch.random.fork_rng(devices=[]):
        # For dropout.
        torch.manual_seed(subject.seed)
        loss = subject.loss(run(network, subject.images), subject.labels)

    layer_weights = list(weights(network))
    gradients = torch.autograd.grad(loss, layer_weights, allow_unused=True, create_graph=True)
    # The gradient of g^T c with c = g held constant is H g.
    products = [
        (gradient * gradient.detach()).sum() for gradient in gradients if gradient is not None
    ]
    total = torch.stack(products).sum()
    # A linear function of the weights has no second derivative.
    if not total.requires_grad:
        return 0.0
    hessian_products = torch.autograd.grad(total, layer_weights, allow_unused=True)
    return -sum(
        float((weight.detach() * product).sum())
        for weight, product in zip(layer_weights, hessian_products, strict=True)
        if product is not None
    )


def fisher(subject: Subject) -> float:
    """Sum 1 / (2 N) sum_n (sum_ij A_nij * dL/dA_nij)^2 over the channels of all layers.

    A are the outputs of a convolution or linear layer for image n of N, and ij its pixels: the
    Fisher information of channels of Turner et al., "BlockSwap", ICLR 2020 (arXiv 1906.04113), eq.
    2 and 3, summed over the network as in Abdelfattah et al., ICLR 2021.
    """
    network = subject.copy()
    outputs: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        outputs.append(output)
        # A copy goes on, since an activation may overwrite its input.
        return output.clone()

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(record)
    with torch.random.fork_rng(devices=[]):
        # For dropout.
        torch.manual_seed(subject.seed)
        loss = subject.loss(run(network, subject.images), subject.labels)

    gradients = torch.autograd.grad(loss, outputs, allow_unused=True)
    total = 0.0
    for output, gradient in zip(outputs, gradients, strict=True):
        # Layers that are not on a path have no gradient.
        if gradient is not None:
            # One pixel where a layer has none.
            products = (output.detach() * gradient).unsqueeze(-1).flatten(2)
            total += float(products.sum(-1).square().mean(0).sum()) / 2
    return total
