"""Adaptive distillation of detectors (Tang et al., arXiv 1901.00366)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

BETA, GAMMA, TEMPERATURE, WEIGHT = 1.5, 1.0, 2.0, 0.1
"""Weight of the teacher's entropy, exponent, temperature and weight of the loss, as in aw_nas."""


class Teaching(NamedTuple):
    """What the largest network teaches the others about a batch.

    Args:
        scores: Its logits [b, locations, channels].
        positive: Locations with an object, bool [b, locations].
    """

    scores: Tensor
    positive: Tensor


def adaptive_loss(scores: Tensor, teacher: Tensor, sigmoid: bool) -> Tensor:
    """Return the summed loss of locations to a teacher's distributions.

    It is (1 - exp(-KL - beta H))^gamma KL with the divergence KL from the teacher and its entropy
    H: what is hard for the pupil or for the teacher counts more (equation 4 of the paper).

    Args:
        scores: Logits of the pupil [k, channels].
        teacher: Logits of the teacher [k, channels].
        sigmoid: Whether channels are independent classes rather than one distribution.
    """
    if sigmoid:
        # Each class is a distribution of two outcomes.
        scores = torch.stack([scores, torch.zeros_like(scores)], -1).flatten(0, 1)
        teacher = torch.stack([teacher, torch.zeros_like(teacher)], -1).flatten(0, 1)
    pupil_logs = functional.log_softmax(scores / TEMPERATURE, -1)
    teacher_logs = functional.log_softmax(teacher / TEMPERATURE, -1)
    teacher_probabilities = teacher_logs.exp()

    entropy = -(teacher_probabilities * teacher_logs).sum(-1)
    divergence = (teacher_probabilities * (teacher_logs - pupil_logs)).sum(-1)
    difficulty = (1 - (-divergence - BETA * entropy).exp()) ** GAMMA
    return (difficulty * divergence).sum()
