"""Losses that compare architectures, by name: pairwise hinge, pairwise cross-entropy, ListMLE,
squared error.

All take the scores and the values of a batch and compare every architecture with every other at
once. Two values are compared only where they differ by more than a threshold: what lies within the
noise of training teaches nothing. Dimensions before the last are batches of their own, such as one
for each member of an ensemble.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from spaces.errors import InvalidParameter, UnknownName

Loss: TypeAlias = Callable[[Tensor, Tensor, torch.Generator | None], Tensor]
"""Of scores [..., n] and values [..., n], greater is better; a tensor [...]."""

MARGIN = 0.1
PAIRS_PER_GRAPH = 4


def available() -> list[str]:
    """The names of losses."""
    return list(_LOSSES)


def loss(name: str, threshold: float = 0.0) -> Loss:
    """The loss of a name.

    Args:
        name: hinge, bce, listmle or mse.
        threshold: values that differ by no more are not compared; mse compares none and takes none
            but 0.

    Raises:
        UnknownName: there is no such loss.
        InvalidParameter: a negative threshold, or one for mse.
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
    """The pairwise hinge loss of GATES (Ning et al., ECCV 2020): mean of max(0, margin - (s_better
    - s_worse)).

    Args:
        scores: float tensor [..., n].
        values: float tensor [..., n], greater is better.
        generator: draws the pairs where there are too many.
        margin: by which scores are to differ.
        pairs_per_graph: at most so many pairs x n are compared; None: all.
        threshold: see `loss`.

    Returns:
        Float tensor [...]; 0 where no values differ.
    """
    pairs = _pairs(values, threshold)
    if pairs_per_graph is not None:
        pairs = _drawn(pairs, pairs_per_graph * scores.shape[-1], generator)
    return _mean(torch.relu(margin - _differences(scores)), pairs)


def pairwise_cross_entropy(
    scores: Tensor, values: Tensor, generator: torch.Generator | None = None, threshold: float = 0.0
) -> Tensor:
    """The cross-entropy of which of two is better, as GATES compares it: mean of -log
    sigmoid(s_better - s_worse).

    RankNet (Burges et al., ICML 2005) with certain labels. Arguments and result are those of
    `pairwise_hinge`; all pairs are compared.
    """
    return _mean(torch.nn.functional.softplus(-_differences(scores)), _pairs(values, threshold))


def list_mle(
    scores: Tensor, values: Tensor, generator: torch.Generator | None = None, threshold: float = 0.0
) -> Tensor:
    r"""ListMLE (Xia et al., ICML 2008): the negative log-likelihood of the true order under
    Plackett-Luce.

    .. math::
        -\sum_i \log \frac{\exp s_i}{\exp s_i + \sum_{k: v_k < v_i - threshold} \exp s_k}

    Equal values have no order among each other, and neither has what differs by no more than the
    threshold. Arguments and result are those of `pairwise_hinge`.
    """
    itself = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
    drawn_from = _pairs(values, threshold) | itself
    others = torch.where(drawn_from, scores.unsqueeze(-2), -torch.inf)
    return (others.logsumexp(-1) - scores).sum(-1)


def squared_error(
    scores: Tensor, values: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """The mean squared error: scores [..., n] are the values [..., n] themselves; a tensor
    [...].
    """
    return (scores - values).square().mean(-1)


def anytime(
    loss: Loss,
    scores: Tensor,
    values: Tensor,
    generator: torch.Generator | None = None,
    shares: Tensor | None = None,
) -> Tensor:
    """The anytime loss of TA-GATES (Ning et al., NeurIPS 2022): the losses of all steps, summed.

    Args:
        loss: of one step.
        scores: of every step, float tensor [..., n, steps].
        values: of every step, such as the accuracies after some of the epochs and after all, float
            tensor [..., n, steps]; or [..., n] where all steps predict the same.
        generator: see the losses.
        shares: weights of the steps [steps]; all 1 by default.

    Returns:
        Float tensor [...].
    """
    steps = scores.shape[-1]
    each = values.unsqueeze(-1).expand_as(scores) if values.dim() < scores.dim() else values
    losses = torch.stack(
        [loss(scores[..., step], each[..., step], generator) for step in range(steps)], dim=-1
    )
    return losses.sum(-1) if shares is None else (losses * shares.to(losses)).sum(-1)


_LOSSES: dict[str, Callable[..., Tensor]] = {
    "hinge": pairwise_hinge,
    "bce": pairwise_cross_entropy,
    "listmle": list_mle,
    "mse": squared_error,
}


def _differences(scores: Tensor) -> Tensor:
    # [..., n, n]: the row's less the column's.
    return scores.unsqueeze(-1) - scores.unsqueeze(-2)


def _pairs(values: Tensor, threshold: float) -> Tensor:
    # Bool [..., n, n]: whether the row is better than the column.
    return _differences(values) > threshold


def _drawn(pairs: Tensor, most: int, generator: torch.Generator | None) -> Tensor:
    flat = pairs.flatten(-2)
    if flat.shape[-1] <= most or int(flat.sum(-1).max()) <= most:
        return pairs
    # Every pair draws a number, what is no pair has a greater one, and the least are taken.
    device = flat.device if generator is None else generator.device
    drawn = (
        torch.rand(flat.shape, generator=generator, device=device).to(flat.device) + (~flat).float()
    )
    taken = torch.zeros_like(flat).scatter(-1, drawn.topk(most, largest=False).indices, True)
    return (flat & taken).reshape(pairs.shape)


def _mean(terms: Tensor, pairs: Tensor) -> Tensor:
    count = pairs.sum((-2, -1)).clamp(min=1)
    return torch.where(pairs, terms, 0).sum((-2, -1)) / count
