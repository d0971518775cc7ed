"""A ValueChoice that is used as if it were its value, as NNI 2 and 3 allow."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from spaces import ValueChoice
from spaces.errors import InvalidParameter

MISUSES: dict[str, Callable[[Any], Any]] = {
    "width of a linear layer": lambda value: nn.Linear(12, value),
    "input of a linear layer": lambda value: nn.Linear(value, 12),
    "kernel of a convolution": lambda value: nn.Conv2d(3, 4, kernel_size=value),
    "channels of a convolution": lambda value: nn.Conv2d(3, value, 3),
    "padding of a convolution": lambda value: nn.Conv2d(3, 4, 3, padding=value),
    "channels of a normalisation": lambda value: nn.BatchNorm2d(value),
    "shape of a layer normalisation": lambda value: nn.LayerNorm([4, value]),
    "rows of an embedding": lambda value: nn.Embedding(value, 4),
    "heads of an attention": lambda value: nn.MultiheadAttention(12, value),
    "width of an LSTM": lambda value: nn.LSTM(3, value),
    "size of a pool, which stores it unread": lambda value: nn.MaxPool2d(value),
    "rate of a dropout layer": lambda value: nn.Dropout(value),
    "rate of a dropout function": lambda value: functional.dropout(torch.ones(2), value),
    "size of a tensor": lambda value: torch.zeros(1, value),
    "size of a view": lambda value: torch.zeros(6).view(value, -1),
    "factor of a tensor": lambda value: torch.ones(2) * value,
    "tensor's factor": lambda value: value * torch.ones(2),
    "derived width of torch's layer": lambda value: nn.Linear(12, 2 * value),
    "derived size of a pool, which stores it unread": lambda value: nn.MaxPool2d(value // 2),
    "comparison": lambda value: value + 1 > 2,
    "count of a loop": range,
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_choice_in_the_position_of_a_number_is_refused(misuse: str) -> None:
    width = ValueChoice([4, 8], key="width")
    with pytest.raises(InvalidParameter, match=r"width.* is no number.*LayerChoice.*in forward"):
        MISUSES[misuse](width)


def test_containers_and_models_hold_value_choices() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rate = ValueChoice([0.1, 0.5])
            self.listed = nn.ModuleList([self.rate])
            self.named = nn.ModuleDict({"rate": self.rate})

    assert [type(module) for module in Model().children()].count(ValueChoice) == 1
