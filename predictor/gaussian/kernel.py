"""The kernel of the Gaussian process over groups of features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from predictor.gaussian.priors import GroupPrior

Parameters: TypeAlias = Mapping[str, Tensor]
"""Logarithms of the kernel's parameters.

`lengths` and `amplitudes` [groups], `weights` [features], `together` [] (the amplitude over all
features) and `noise` [].
"""


_UNKNOWN = GroupPrior(amplitude=-2.0, length=0.0)


def initial_parameters(
    sizes: Sequence[int], priors: Sequence[GroupPrior | None] = ()
) -> dict[str, Tensor]:
    """Return the parameters that the fit starts from and that its penalty draws towards.

    Args:
        sizes: Number of features of each group.
        priors: Prior of each group, None where nothing is known of it; empty: of none.
    """
    count = len(sizes)
    known = [prior or _UNKNOWN for prior in priors or [None] * count]

    # All features of a group together have the weight of one.
    weights = [
        torch.full((size,), -0.5 * math.log(max(size, 1)) - 0.5 * math.log(count)) for size in sizes
    ]
    return {
        "lengths": torch.tensor([prior.length for prior in known], dtype=torch.double),
        "amplitudes": torch.tensor([prior.amplitude for prior in known], dtype=torch.double),
        "weights": torch.cat(weights).double(),
        "together": torch.tensor(-0.7).double(),
        "noise": torch.tensor(-2.5).double(),
    }


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Return the squared distances [n, m] between rows of [n, f] and [m, f]."""
    squares = first.square().sum(1)[:, None] + second.square().sum(1)[None]
    # In place: each new matrix of all pairs costs as much time as the arithmetic. Rounding can make
    # the distance of equal rows negative.
    return squares.addmm_(first, second.T, alpha=-2).clamp_min_(0)


def group_distances(first: Tensor, second: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Compute mean squared distances over the features of each group.

    Args:
        first: Features, [n, features].
        second: Features, [m, features].
        sizes: Number of features of each group.

    Returns:
        For each group, distances [n, m].
    """
    first_groups = torch.split(first, list(sizes), 1)
    second_groups = torch.split(second, list(sizes), 1)
    return [
        squared_distances(first_group, second_group) / max(size, 1)
        for first_group, second_group, size in zip(first_groups, second_groups, sizes, strict=True)
    ]


def covariance(
    first: Tensor, second: Tensor, distances: Sequence[Tensor], parameters: Parameters
) -> Tensor:
    r"""Compute a sum of one Matern kernel (5/2) per group and one over all features.

    The last one has a relevance for each feature:

    .. math::
        k(x, y) = \sum_g a_g M(d_g(x, y) / l_g^2) + a M(\sum_f w_f^2 (x_f - y_f)^2)

    Args:
        first: Standardised features, [n, features].
        second: Standardised features, [m, features].
        distances: `group_distances` of both.
        parameters: Logarithms of the parameters; see `Parameters`.

    Returns:
        Covariances, [n, m].
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
    kernel: Tensor = _Matern.apply(squared)  # type: ignore[no-untyped-call]
    return kernel


class _Matern(torch.autograd.Function):
    """The Matern kernel (5/2) of squared distances.

    Rasmussen and Williams (2006), equation 4.17. Its own gradient exists at distance 0, where that
    of the square root does not, and stores less.
    """

    @staticmethod
    def forward(ctx: Any, squared: Tensor) -> Tensor:
        root = (5 * squared).sqrt_()
        decay = root.neg().exp_()
        # (1 + root) exp(-root), which the gradient needs as well.
        slope = torch.addcmul(decay, root, decay)
        if squared.requires_grad:
            ctx.save_for_backward(slope)
        return torch.addcmul(slope, squared, decay, value=5 / 3)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (slope,) = ctx.saved_tensors
        # d/ds of (1 + sqrt(5 s) + 5/3 s) exp(-sqrt(5 s)).
        squared_gradient: Tensor = gradient * slope * (-5 / 6)
        return squared_gradient
