"""Strided pointwise convolutions of few channels, plane by plane."""

import pytest
import torch
from torch import nn

from oneshot.training.narrow_convolutions import planar_convolutions
from spaces.modules.elastic import ElasticConv
from spaces.operators.layers import Conv


def narrow(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, 6, 1, stride=2, bias=False)


def elastic(channels: int) -> nn.Conv2d:
    return ElasticConv(Conv(2 * channels, 6, 1, stride=2))


@pytest.mark.parametrize("make", [narrow, elastic])
@pytest.mark.parametrize("channels", [1, 3, 4, 7, 8, 12])
def test_gradients_are_those_of_doubles(make: type[nn.Conv2d], channels: int) -> None:
    torch.manual_seed(0)
    model = make(channels).to(memory_format=torch.channels_last)
    images = torch.randn(16, channels, 8, 8)
    exact = make(channels).double()
    exact.load_state_dict(model.state_dict())

    with planar_convolutions(model):
        # Once would not reach beyond the allocator's padding.
        for _ in range(20):
            model.zero_grad()
            model(images.to(memory_format=torch.channels_last)).square().sum().backward()

    exact(images.double()).square().sum().backward()
    assert model.weight.grad is not None
    assert exact.weight.grad is not None
    difference = (model.weight.grad - exact.weight.grad).abs().max() / exact.weight.grad.abs().max()
    assert difference < 1e-5


def test_other_convolutions_keep_their_layout() -> None:
    images = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last)
    model = nn.Conv2d(4, 8, 3, stride=2).to(memory_format=torch.channels_last)
    with planar_convolutions(model):
        assert model(images).is_contiguous(memory_format=torch.channels_last)


def test_models_are_left_without_hooks() -> None:
    model = narrow(4)
    with planar_convolutions(model):
        assert model._forward_pre_hooks
    assert not model._forward_pre_hooks
