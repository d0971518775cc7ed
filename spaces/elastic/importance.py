"""Importance of channels, by which they are ordered once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.elastic.choices import ElasticChoice, Width
from spaces.elastic.coupling import ChannelGroup
from spaces.elastic.slices import Positions, TensorSlice
from spaces.modules.copying import copy_module

Losses: TypeAlias = Callable[[nn.Module], Iterable[Tensor]]
"""Returns the losses of a network, one a batch, computed one after the other."""


def by_importance(
    model: nn.Module, choices: Sequence[ElasticChoice], losses: Losses | None = None
) -> list[ElasticChoice]:
    """Return the choices with the units of their widths in order of importance.

    Args:
        model: Network with trained weights.
        choices: Choices of the network.
        losses: Losses of the network on batches of data, for `taylor_orders`; None: they are
            ordered by the norms of their weights.
    """
    groups = [choice.group for choice in choices if isinstance(choice, Width)]
    if losses is None:
        orders = magnitude_orders(model, groups)
    else:
        orders = taylor_orders(model, groups, losses)
    remaining = iter(orders)
    return [
        replace(choice, order=next(remaining)) if isinstance(choice, Width) else choice
        for choice in choices
    ]


def magnitude_orders(model: nn.Module, groups: Sequence[ChannelGroup]) -> list[Positions]:
    """Order the units of each group by the norm of all weights that belong to them.

    The norm of each tensor is divided by its mean over the units, so that no tensor dominates.

    Args:
        model: Network with trained weights.
        groups: Groups of coupled channels.

    Returns:
        For each group its units, from the most to the least important.
    """
    tensors = dict(model.named_parameters(remove_duplicate=False))
    orders = []
    for group in groups:
        scores = np.zeros(group.units)
        for piece in group.slices.tensors:
            parameter = tensors.get(piece.name)
            # Vectors are biases and scales, of which a large one does not make a channel large.
            if parameter is None or parameter.ndim < 2:
                continue
            norms = _by_unit(parameter.detach().square(), piece, group.units) ** 0.5
            scores += norms / max(float(norms.mean()), 1e-12)
        orders.append(_order(scores))
    return orders


def taylor_orders(
    model: nn.Module, groups: Sequence[ChannelGroup], losses: Losses
) -> list[Positions]:
    """Order the units of each group by the loss's change without them, to first order.

    Taking a channel out of the products that read it changes the loss of a batch by minus the sum
    of weight times gradient over these weights. The squares are averaged over batches (Molchanov et
    al., "Importance Estimation for Neural Network Pruning", CVPR 2019, equation 8).

    Args:
        model: Network with trained weights.
        groups: Groups of coupled channels.
        losses: Losses of the network on batches of data.

    Returns:
        For each group its units, from the most to the least important.
    """
    network = copy_module(model).eval()
    for parameter in network.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    tensors = dict(network.named_parameters(remove_duplicate=False))

    scores = [np.zeros(group.units) for group in groups]
    with torch.enable_grad():
        for loss in losses(network):
            network.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            for group, score in zip(groups, scores, strict=True):
                change = np.zeros(group.units)
                for piece in group.slices.tensors:
                    gradient = tensors[piece.name].grad if piece.is_product else None
                    if gradient is not None:
                        product = tensors[piece.name].detach() * gradient
                        change += _by_unit(product, piece, group.units)
                score += change**2
    return [_order(score) for score in scores]


def _by_unit(values: Tensor, piece: TensorSlice, units: int) -> NDArray[np.float64]:
    """Return the sums of a tensor's values over the positions of each unit, [units]."""
    others = [dim for dim in range(values.ndim) if dim != piece.dim]
    sums = values.double().sum(others) if others else values.double()
    totals = np.bincount(piece.unit, sums.cpu().numpy()[piece.index], minlength=units)
    return totals.astype(np.float64)


def _order(scores: NDArray[np.float64]) -> Positions:
    # Stable: equal scores keep the order of the channels.
    return np.argsort(-scores, kind="stable").astype(np.int64)
