"""Proxies of gradients and flows against closed forms and second computations."""

import copy
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from predictor.errors import InvalidValues
from predictor.proxies import measure
from tests.predictor.proxies.networks import convolutional


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 3, 5, 5, generator=generator), torch.arange(6) % 4


def linear(*widths: int) -> nn.Sequential:
    """Return linear layers without bias, with hyperbolic tangents between them."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten())
    for index in range(len(widths) - 1):
        if index:
            network.append(nn.Tanh())
        network.append(nn.Linear(widths[index], widths[index + 1], bias=False))
    return network


def layers(network: nn.Module) -> Iterator[nn.Module]:
    return (item for item in network.modules() if isinstance(item, nn.Conv2d | nn.Linear))


def value_of(network: nn.Module, name: str) -> float:
    return measure(network, *batch(), [name])[name]


def test_grasp_is_that_of_the_whole_hessian() -> None:
    network = linear(75, 3, 4)
    images, labels = batch()

    def loss(flat: Tensor) -> Tensor:
        first = flat[:225].view(3, 75)
        second = flat[225:].view(4, 3)
        logits = torch.tanh(images.flatten(1) @ first.T) @ second.T
        return nn.functional.cross_entropy(logits, labels)

    flat = torch.cat([weight.detach().flatten() for weight in network.parameters()])
    gradient = torch.autograd.functional.jacobian(loss, flat)
    hessian = torch.autograd.functional.hessian(loss, flat)
    expected = -float(flat @ (hessian @ gradient))
    assert value_of(network, "grasp") == pytest.approx(expected, rel=1e-4)


def test_fisher_of_a_linear_layer_follows_from_the_softmax() -> None:
    network = linear(75, 4)
    images, labels = batch()
    logits = network(images).detach()
    # The gradient of the mean cross-entropy is (softmax - one-hot) / N.
    error = (logits.softmax(1) - nn.functional.one_hot(labels, 4)) / len(images)
    expected = float((logits * error).square().mean(0).sum() / 2)
    assert value_of(network, "fisher") == pytest.approx(expected, rel=1e-5)


def test_fisher_is_the_squared_sensitivity_to_the_scale_of_channels() -> None:
    images, labels = batch()
    expected = 0.0
    for index in range(3):
        network = copy.deepcopy(convolutional(bias=False)).train()
        scales: list[Tensor] = []

        def multiply(
            module: nn.Module, inputs: object, output: Tensor, scales: list[Tensor] = scales
        ) -> Tensor:
            pixels = [1] * (output.ndim - 2)
            scales.append(torch.ones(*output.shape[:2], *pixels, requires_grad=True))
            return output * scales[0]

        list(layers(network))[index].register_forward_hook(multiply)
        loss = nn.functional.cross_entropy(network(images), labels)
        (gradient,) = torch.autograd.grad(loss, scales)
        expected += float(gradient.square().sum()) / (2 * len(images))
    assert value_of(convolutional(bias=False), "fisher") == pytest.approx(expected, rel=1e-3)


def test_plain_is_the_change_of_the_loss_when_weights_shrink() -> None:
    network = linear(75, 8, 4)
    images, labels = batch()
    losses = []
    for factor in (1.001, 0.999):
        scaled = copy.deepcopy(network).double()
        with torch.no_grad():
            for weight in scaled.parameters():
                weight.mul_(factor)
            losses.append(float(nn.functional.cross_entropy(scaled(images.double()), labels)))
    expected = (losses[0] - losses[1]) / 0.002
    assert value_of(network, "plain") == pytest.approx(expected, rel=1e-3)


def test_synflow_bn_is_the_flow_through_the_last_layer() -> None:
    network = convolutional(bias=False)
    absolute = copy.deepcopy(network).double().train()
    with torch.no_grad():
        for parameter in absolute.parameters():
            parameter.abs_()
        # Layers in front of a normalisation add only what its epsilon leaves.
        flow = absolute(torch.ones(2, 3, 5, 5, dtype=torch.float64))[0].sum()
    assert value_of(network, "synflow_bn") == pytest.approx(math.log(float(flow)), abs=0.01)


def test_synflow_bn_without_normalisation_is_synflow() -> None:
    network = linear(75, 8, 4)
    network[2] = nn.Identity()
    expected = value_of(network, "synflow")
    assert value_of(network, "synflow_bn") == pytest.approx(expected)


def test_relu_count_is_the_number_of_units_of_an_image() -> None:
    # 6 channels of 5 x 5 pixels and, after a stride of 2, of 3 x 3.
    assert value_of(convolutional(bias=False), "relu_count") == 6 * 25 + 6 * 9
    with pytest.raises(InvalidValues, match="relu_count needs"):
        value_of(linear(75, 4), "relu_count")


def test_ntk_logdet_of_a_linear_layer_follows_from_errors_and_images() -> None:
    network = linear(75, 4)
    images, labels = batch()
    logits = network(images).detach().double()
    error = logits.softmax(1) - nn.functional.one_hot(labels, 4)
    pixels = images.flatten(1).double()

    # The gradient of an image's loss is the outer product of its error and its pixels.
    products = (error @ error.T) * (pixels @ pixels.T)
    norms = products.diagonal().sqrt()
    expected = float(torch.logdet(products / (norms[:, None] * norms)))

    assert value_of(network, "ntk_logdet") == pytest.approx(expected, rel=1e-4)


def test_ntk_logdet_is_least_where_all_images_are_equal() -> None:
    network = linear(75, 3, 4)
    images, labels = batch()
    equal = images[:1].expand(len(images), -1, -1, -1).contiguous()
    zeros = torch.zeros_like(labels)

    value = measure(network, equal, zeros, ["ntk_logdet"])["ntk_logdet"]

    # One eigenvalue is the number of images, the others are errors of rounding.
    assert math.log(6) + 5 * math.log(1e-8) <= value < math.log(6) + 5 * math.log(1e-6)
    assert value < value_of(network, "ntk_logdet") <= 0
