"""An exponential moving average of a model's weights."""

from __future__ import annotations

from typing import Any

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
