"""Averages of a model's weights over the updates of a training."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

_WARMUP = 10


class MovingAverage:
    """The average a <- d a + (1 - d) w of weights w, with one step per update.

    The decay d rises to its value as (1 + n) / (10 + n) over the first updates n, as TensorFlow's
    ExponentialMovingAverage does with `num_updates`, so that the random initial weights are soon
    forgotten.

    Args:
        model: Model whose parameters are averaged; statistics of normalisation are not.
        decay: Decay d, close to 1.
    """

    needs_scores: ClassVar[bool] = False
    """Whether the training must tell the score of each epoch by `judge`."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.updates = 0
        self.weights: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in model.named_parameters()
        }

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Update the averages by the model's weights."""
        decay = min(self.decay, (1 + self.updates) / (_WARMUP + self.updates))
        parameters = dict(model.named_parameters())
        averages = [self.weights[name] for name in parameters]
        weights = [value.detach() for value in parameters.values()]

        # One call for all tensors: a loop would launch a kernel for each.
        torch._foreach_lerp_(averages, weights, 1 - decay)
        self.updates += 1

    def judge(self, score: float) -> None:
        """Add the score of an epoch, lower is better; this average does not depend on it."""
        return

    @torch.no_grad()
    def give_to(self, model: nn.Module) -> None:
        """Replace the model's weights by their averages."""
        for name, value in model.named_parameters():
            value.copy_(self.weights[name])

    def to(self, device: Any) -> None:
        """Move the averages to a device."""
        self.weights = {name: value.to(device) for name, value in self.weights.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and the number of updates."""
        return {"weights": dict(self.weights), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state that `state_dict` returned."""
        for name, value in self.weights.items():
            value.copy_(state["weights"][name])
        self.updates = int(state["updates"])


class TriggeredAverage(MovingAverage):
    """The plain mean of the weights since a training stopped to improve.

    The mean begins as soon as a score is worse than the best of those that are more than
    `patience` scores ago (non-monotonically triggered averaged SGD of AWD-LSTM, arXiv 1708.02182,
    algorithm 1).

    Args:
        model: Model whose parameters are averaged.
        patience: Number of most recent scores that the trigger leaves out.

    Example:
        >>> average = TriggeredAverage(nn.Linear(1, 1), patience=1)
        >>> for score in (3.0, 2.0, 2.5):
        ...     average.judge(score)
        >>> average.triggered
        False
        >>> average.judge(2.4)
        >>> average.triggered
        True
    """

    needs_scores = True

    def __init__(self, model: nn.Module, patience: int):
        super().__init__(model, decay=1.0)
        self.patience = patience
        self.scores: list[float] = []
        self.triggered = False

    def judge(self, score: float) -> None:
        """Add the score of an epoch, lower is better, and trigger the average where it is due."""
        earlier = self.scores[: -self.patience]
        if earlier and score > min(earlier):
            self.triggered = True
        self.scores.append(score)

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Add the model's weights to the mean, once it is triggered."""
        if not self.triggered:
            return
        self.updates += 1
        parameters = dict(model.named_parameters())
        averages = [self.weights[name] for name in parameters]
        weights = [value.detach() for value in parameters.values()]
        torch._foreach_lerp_(averages, weights, 1 / self.updates)

    def give_to(self, model: nn.Module) -> None:
        """Replace the model's weights by their means; a training that improved keeps them."""
        if self.updates:
            super().give_to(model)

    def state_dict(self) -> dict[str, Any]:
        """Return the means, the scores and whether the average is triggered."""
        return {**super().state_dict(), "scores": self.scores, "triggered": self.triggered}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state that `state_dict` returned."""
        super().load_state_dict(state)
        self.scores = [float(score) for score in state["scores"]]
        self.triggered = bool(state["triggered"])
