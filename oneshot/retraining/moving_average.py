"""An exponential moving average of a model's weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_WARMUP = 10


class MovingAverage:
    """The average w <- d w + (1 - d) weights, one step after every update.

    The decay d rises to its value as (1 + n) / (10 + n) over the first updates n, so that the first
    weights, which are random, are soon forgotten (as TensorFlow's ExponentialMovingAverage does
    with `num_updates`).

    Args:
        model: whose parameters are followed; statistics of normalisation are not among them.
        decay: close to 1.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.weights: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in model.named_parameters()
        }

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Take in the model's weights after an update."""
        decay = min(self.decay, (1 + self.updates) / (_WARMUP + self.updates))
        own, given = zip(
            *((self.weights[name], value) for name, value in model.named_parameters()), strict=True
        )
        torch._foreach_lerp_(list(own), [value.detach() for value in given], 1 - decay)
        self.updates += 1

    @torch.no_grad()
    def give_to(self, model: nn.Module) -> None:
        """Replace the model's weights by their averages."""
        for name, value in model.named_parameters():
            value.copy_(self.weights[name])

    def to(self, device: Any) -> None:
        """Move the averages to a device."""
        self.weights = {name: value.to(device) for name, value in self.weights.items()}

    def state_dict(self) -> dict[str, Any]:
        """The averages and how many updates they have seen."""
        return {"weights": dict(self.weights), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        for name, value in self.weights.items():
            value.copy_(state["weights"][name])
        self.updates = int(state["updates"])
