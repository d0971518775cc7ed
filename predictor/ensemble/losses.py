"""Losses by name: pairwise hinge, pairwise cross-entropy, ListMLE and squared error.

The ranking losses compare every architecture of a batch with every other. Two values are compared
only where they differ by more than a threshold, since smaller differences are noise of training.
Dimensions before the last are separate batches, such as one for each member of an ensemble.
A value that is not known is NaN: it is compared with no other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from spaces.errors import InvalidParameter, UnknownName

Loss: TypeAlias = Callable[[Tensor, Tensor, torch.Generator | None], Tensor]
"""Function of scores [..., n], values [..., n] and a generator that returns losses [...]."""

MARGIN = 0.1
"""Difference of two scores beyond which the hinge loss is 0."""

PAIRS_PER_GRAPH = 4
"""Pairs per architecture that the hinge loss compares at most."""


def available() -> list[str]:
    """Return the names of all losses."""
    return list(_LOSSES)


def loss(name: str, threshold: float = 0.0) -> Loss:
    """Return a loss by name.

    Args:
        name: Name of the loss: hinge, bce, listmle or mse.
        threshold: Largest difference of two values that are not compared. mse compares no pairs and
            accepts only 0.

    Raises:
        UnknownName: No loss has this name.
        InvalidParameter: The threshold is negative, or not 0 for mse.
    """
    if name not in _LOSSES:
        raise UnknownName("loss", name, _LOSSES)
    if threshold < 0:
        raise InvalidParameter(f"threshold: values differ by at least 0, not {threshold}")
    if name == "mse":
        if threshold:
            raise InvalidParameter(
                f"threshold: mse compares no pairs and takes no threshold, not {threshold}"
            )

        return squared_error

    return functools.partial(_LOSSES[name], threshold=threshold)


def pairwise_hinge(
    scores: Tensor,
    values: Tensor,
    generator: torch.Generator | None = None,
    margin: float = MARGIN,
    pairs_per_graph: int | None = PAIRS_PER_GRAPH,
    threshold: float = 0.0,
) -> Tensor:
    r"""Compute the pairwise hinge loss of GATES (Ning et al., ECCV 2020).

    The mean over pairs of :math:`\max(0, margin - (s_{better} - s_{worse}))`.

    Args:
        scores: Float tensor [..., n].
        values: Float tensor [..., n]; greater is better.
        generator: Source of the random choice among too many pairs. None: torch's default one.
        margin: Difference of scores beyond which the loss is 0.
        pairs_per_graph: Number of pairs compared at most, as a multiple of n. None: all pairs.
        threshold: Largest difference of two values that are not compared.

    Returns:
        Float tensor [...]; 0 where no values differ.
    """
    pairs = _pairs(values, threshold)
    if pairs_per_graph is not None:
        pairs = _sampled(pairs, pairs_per_graph * scores.shape[-1], generator)
    return _mean(torch.relu(margin - _differences(scores)), pairs)


def pairwise_cross_entropy(
    scores: Tensor, values: Tensor, generator: torch.Generator | None = None, threshold: float = 0.0
) -> Tensor:
    r"""Compute the pairwise cross-entropy that GATES compares.

    The mean over pairs of :math:`-\log \sigma(s_{better} - s_{worse})`: RankNet (Burges et al.,
    ICML 2005) with certain labels. Arguments and result are those of `pairwise_hinge`; all pairs
    are compared.
    """
    return _mean(torch.nn.functional.softplus(-_differences(scores)), _pairs(values, threshold))


def list_mle(
    scores: Tensor, values: Tensor, generator: torch.Generator | None = None, threshold: float = 0.0
) -> Tensor:
    r"""Compute ListMLE, the negative log-likelihood of the true order under Plackett-Luce.

    Xia et al., ICML 2008:

    .. math::
        -\sum_i \log \frac{\exp s_i}{\exp s_i + \sum_{k: v_k < v_i - threshold} \exp s_k}

    Equal values have no order, and neither have those that differ by no more than the threshold.
    Arguments and result are those of `pairwise_hinge`.
    """
    itself = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
    # Row i contains the architectures that Plackett-Luce chooses architecture i from.
    is_candidate = _pairs(values, threshold) | itself
    candidates = torch.where(is_candidate, scores.unsqueeze(-2), -torch.inf)
    return (candidates.logsumexp(-1) - scores).sum(-1)


def squared_error(
    scores: Tensor, values: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Compute the mean squared error [...] of scores [..., n] as estimates of values [..., n].

    Values that are not known, NaN, are left out.
    """
    known = ~values.isnan()
    # Not by a factor of 0 afterwards: the gradient of an error of NaN is NaN.
    errors = scores - torch.where(known, values, scores)
    return errors.square().sum(-1) / known.sum(-1).clamp(min=1)


def anytime(
    loss: Loss,
    scores: Tensor,
    values: Tensor,
    generator: torch.Generator | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Compute the anytime loss of TA-GATES (Ning et al., NeurIPS 2022), a sum over steps.

    Args:
        loss: Loss of one step.
        scores: Scores of every step, float tensor [..., n, steps].
        values: Values of every step, such as the accuracies after some and after all of the epochs,
            float tensor [..., n, steps]; or [..., n] where all steps predict the same values.
        generator: Generator of the losses. None: torch's default one.
        weights: Weights of the steps, [steps]. None: all are 1.

    Returns:
        Float tensor [...].
    """
    steps = scores.shape[-1]
    if values.dim() < scores.dim():
        values = values.unsqueeze(-1).expand_as(scores)
    losses = torch.stack(
        [loss(scores[..., step], values[..., step], generator) for step in range(steps)], dim=-1
    )
    return losses.sum(-1) if weights is None else (losses * weights.to(losses)).sum(-1)


_LOSSES: dict[str, Callable[..., Tensor]] = {
    "hinge": pairwise_hinge,
    "bce": pairwise_cross_entropy,
    "listmle": list_mle,
    "mse": squared_error,
}


def _differences(scores: Tensor) -> Tensor:
    """Return the row's score minus the column's, [..., n, n]."""
    return scores.unsqueeze(-1) - scores.unsqueeze(-2)


def _pairs(values: Tensor, threshold: float) -> Tensor:
    """Return whether the row is better than the column, bool [..., n, n]."""
    # A difference of NaN exceeds nothing, so that unknown values are in no pair.
    return _differences(values) > threshold


def _sampled(pairs: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """Return at most `count` random pairs of each batch, bool [..., n, n]."""
    flat = pairs.flatten(-2)
    if flat.shape[-1] <= count or int(flat.sum(-1).max()) <= count:
        return pairs

    # Every pair has a random number below 1, everything else one above; the least are selected.
    device = flat.device if generator is None else generator.device
    numbers = torch.rand(flat.shape, generator=generator, device=device).to(flat.device)
    order = (numbers + (~flat).float()).topk(count, largest=False).indices
    selected = torch.zeros_like(flat).scatter(-1, order, True)
    return (flat & selected).reshape(pairs.shape)


def _mean(terms: Tensor, pairs: Tensor) -> Tensor:
    """Return the mean of terms [..., n, n] over pairs, 0 without any."""
    count = pairs.sum((-2, -1)).clamp(min=1)
    return torch.where(pairs, terms, 0).sum((-2, -1)) / count
