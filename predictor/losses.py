"""Losses that compare architectures."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_hinge(
    scores: Tensor, values: Tensor, generator: torch.Generator, margin: float = 0.1, pairs_per_graph: int = 4
) -> Tensor:
    """The pairwise hinge loss of GATES: mean of max(0, margin - (s_better - s_worse)).

    Over pairs of the mini-batch whose values differ, at most `pairs_per_graph` x batch, drawn from `generator`.

    Args:
        scores: float tensor [batch].
        values: float tensor [batch], greater is better.
        generator: draws the pairs where there are too many.
        margin: by which scores are to differ.
        pairs_per_graph: bounds the number of pairs.

    Returns:
        A scalar; 0 where no values differ.
    """
    better, worse = torch.nonzero(values[:, None] > values[None, :], as_tuple=True)
    most = pairs_per_graph * len(scores)
    if len(better) > most:
        drawn = torch.randperm(len(better), generator=generator)[:most]
        better, worse = better[drawn], worse[drawn]
    if len(better) == 0:
        return scores.sum() * 0
    return torch.relu(margin - (scores[better] - scores[worse])).mean()
