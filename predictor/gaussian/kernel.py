"""The kernel of the Gaussian process over groups of features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

Parameters: TypeAlias = Mapping[str, Tensor]
"""Logarithms: `lengths` and `amplitudes` [groups], `weights` [features], `together` and `noise`
[].
"""


def start(sizes: Sequence[int]) -> dict[str, Tensor]:
    """Where the fit of the parameters begins, and where it is drawn back to."""
    count = len(sizes)
    # Features of a group weigh together as much as one.
    weights = [
        torch.full((size,), -0.5 * math.log(max(size, 1)) - 0.5 * math.log(count)) for size in sizes
    ]
    return {
        "lengths": torch.zeros(count).double(),
        "amplitudes": torch.full((count,), -2.0).double(),
        "weights": torch.cat(weights).double(),
        "together": torch.tensor(-0.7).double(),
        "noise": torch.tensor(-2.5).double(),
    }


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """[n, m] between rows of [n, f] and [m, f]."""
    products = first @ second.T
    return (first.square().sum(1)[:, None] + second.square().sum(1)[None] - 2 * products).clamp_min(
        0
    )


def group_distances(first: Tensor, second: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """For each group mean squared distances [n, m] between rows of [n, features] and [m,
    features].
    """
    pairs = zip(
        torch.split(first, list(sizes), 1), torch.split(second, list(sizes), 1), sizes, strict=True
    )
    return [squared_distances(one, other) / max(size, 1) for one, other, size in pairs]


def covariance(
    first: Tensor, second: Tensor, distances: Sequence[Tensor], parameters: Parameters
) -> Tensor:
    r"""A sum of one Matern kernel (5/2) a group, and one over all features with a relevance each.

    .. math::
        k(x, y) = \sum_g a_g M(d_g(x, y) / l_g^2) + a M(\sum_f w_f^2 (x_f - y_f)^2)

    Args:
        first: standardised features [n, features].
        second: standardised features [m, features].
        distances: `group_distances` of both.
        parameters: see `Parameters`.
    """
    weights = parameters["weights"].exp()
    total = parameters["together"].exp() * _matern(
        squared_distances(first * weights, second * weights)
    )
    for group, distance in enumerate(distances):
        scaled = distance * (-2 * parameters["lengths"][group]).exp()
        total = total + parameters["amplitudes"][group].exp() * _matern(scaled)
    return total


def _matern(squared: Tensor) -> Tensor:
    found: Tensor = _Matern.apply(squared)  # type: ignore[no-untyped-call]
    return found


class _Matern(torch.autograd.Function):
    """The Matern kernel (5/2) of squared distances; its own gradient exists at 0 too and is less to
    keep.
    """

    @staticmethod
    def forward(ctx: Any, squared: Tensor) -> Tensor:
        root = (5 * squared).sqrt_()
        decay = torch.exp(-root)
        slope = torch.addcmul(decay, root, decay)
        if squared.requires_grad:
            ctx.save_for_backward(slope)
        return torch.addcmul(slope, squared, decay, value=5 / 3)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (slope,) = ctx.saved_tensors
        found: Tensor = gradient * slope * (-5 / 6)
        return found
