"""Copies of modules that keep computed tensors."""

import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces import LayerChoice
from spaces.errors import InvalidParameter
from spaces.modules.copying import copy_module


def weight_norm(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


class Speech(nn.Module):
    """Convolutions over time, with a normalised weight in the stem and in a candidate."""

    def __init__(self, norm: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.stem = norm(nn.Conv1d(3, 4, 3, padding=1))
        self.choice = LayerChoice(
            {"k3": norm(nn.Conv1d(4, 4, 3, padding=1)), "k5": nn.Conv1d(4, 4, 5, padding=2)}
        )
        self.head = nn.Linear(4, 5)
        self.features: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        x = self.choice(self.stem(x))
        # As some models keep what a loss or a visualisation reads later.
        self.features = [x]
        output: Tensor = self.head(x.mean(2))
        return output


@pytest.mark.parametrize("norm", [weight_norm, nn.utils.spectral_norm])
@pytest.mark.parametrize("is_trained", [False, True])
def test_models_with_computed_weights_are_spaces(norm: Any, is_trained: bool) -> None:
    model = Speech(norm)
    x = torch.randn(2, 3, 10, generator=torch.Generator().manual_seed(0))
    if is_trained:
        model.choice.activate("k3")
        model(x).square().sum().backward()

    space = spaces.from_model(model, x)
    model.eval()
    for kernel in (3, 5):
        architecture = space.architecture({"choice": f"k{kernel}"})
        by_hand = 10 * 4 * 3 * 3 + 10 * 4 * 4 * kernel + 20
        if norm is nn.utils.spectral_norm:
            # The norm u W v of a weight [4, inputs x 3].
            by_hand += (4 * 9 + 4) + (4 * 12 + 4) * (kernel == 3)
        assert space.macs(architecture) == by_hand

        model.choice.activate(f"k{kernel}")
        supernet = space.supernet().eval()
        supernet.activate(architecture)
        network = space.network(architecture).eval()
        for copied in (supernet, network):
            output = copied(x)
            assert torch.allclose(output, model(x))
            output.sum().backward()
            weights = dict(copied.named_parameters())
            assert all(value.grad is not None for name, value in weights.items() if "stem" in name)


def test_a_copy_has_no_tensor_of_its_original() -> None:
    layer = weight_norm(nn.Linear(2, 2))
    copied = copy_module(layer)
    assert copied.weight is not layer.weight
    assert not {id(value) for value in layer.parameters()} & {
        id(value) for value in copied.parameters()
    }


def test_what_has_no_copies_is_named() -> None:
    model = nn.Sequential(LayerChoice([nn.Identity(), nn.ReLU()]), nn.Flatten())
    model[1].lock = threading.Lock()
    with pytest.raises(InvalidParameter, match=r"cannot be copied: its attribute '1.lock' is a"):
        spaces.from_model(model, torch.zeros(1, 2))
