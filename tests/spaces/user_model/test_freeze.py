"""Attributes of choices that a model's code reads, after the choices are made."""

from typing import Any

import torch
from torch import Tensor, nn

import spaces
from spaces import InputChoice, LayerChoice, Repeat, ValueChoice
from spaces.user_model.freeze import freeze


class Concatenation(nn.Module):
    def forward(self, features: list[Tensor]) -> Tensor:
        return torch.cat(features, 1)


class Parsed(nn.Module):
    """Layers in a list, each of which has the indices of the outputs that it reads, as in YOLO."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[tuple[Any, nn.Module]] = [
            (-1, nn.Conv2d(3, 8, 3, 2, 1)),
            (-1, LayerChoice([nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)])),
            (-1, Repeat(lambda index: nn.Conv2d(8, 8, 1), (1, 2))),
            ([-1, 1], InputChoice(2, n_chosen=1)),
            ([-1, 1], Concatenation()),
            (-1, nn.Conv2d(16, 5, 1)),
        ]
        for index, (source, layer) in enumerate(layers):
            layer.i = index
            layer.f = source
        self.model = nn.Sequential(*(layer for _, layer in layers))

    def forward(self, x: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        for index, layer in enumerate(self.model):
            assert layer.i == index
            source: Any = layer.f
            inputs = x if source == -1 else [x if j == -1 else outputs[j] for j in source]
            x = layer(inputs)
            outputs.append(x)
        return x.mean((2, 3))


def test_frozen_layers_keep_the_attributes_of_their_choices() -> None:
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    space = spaces.from_model(Parsed(), x)
    supernet = space.supernet().eval()
    for architecture in space.enumerate():
        supernet.activate(architecture)
        assert torch.equal(space.network(architecture).eval()(x), supernet(x))


def frozen(*choices: Any) -> nn.Module:
    for choice in choices:
        choice.activate(0)
    return freeze(nn.Sequential(*choices))


def test_an_attribute_does_not_change_the_candidate() -> None:
    choice = LayerChoice([nn.Conv2d(3, 3, 1, stride=1), nn.Identity()], key="a")
    choice.stride = 8  # Read by the model's own code, such as a detection head's.
    result: Any = frozen(choice)[0]  # type: ignore[index]
    assert result.stride == 8
    assert result(torch.zeros(1, 3, 4, 4)).shape == (1, 3, 4, 4)


def test_one_module_in_two_choices_has_the_attributes_of_both() -> None:
    shared = nn.ReLU()
    first = LayerChoice([shared, nn.Identity()], key="a")
    second = LayerChoice([shared, nn.Identity()], key="b")
    first.f = 1
    second.f = 2
    model: Any = frozen(first, second)
    assert [layer.f for layer in model] == [1, 2]


def test_equal_attributes_need_no_wrapper() -> None:
    choice = LayerChoice([nn.Linear(2, 3), nn.Linear(2, 3)], key="a")
    choice.out_features = 3
    assert isinstance(frozen(choice)[0], nn.Linear)  # type: ignore[index]


class Scaled(nn.Module):
    """Reads a weight and a buffer that it has put on a choice."""

    def __init__(self) -> None:
        super().__init__()
        self.choice = LayerChoice([nn.Sequential(nn.Linear(4, 4)), nn.Identity()])
        self.choice.scale = nn.Parameter(torch.full((4,), 2.0))
        self.choice.register_buffer("shift", torch.ones(4))
        self.rate = ValueChoice([1.0, 3.0])
        self.rate.unit = "pixels"

    def forward(self, x: Tensor) -> Tensor:
        assert self.rate.unit == "pixels"
        output: Tensor = self.choice(x) * self.choice.scale + self.choice.shift * self.rate()
        return output


def test_weights_and_buffers_of_a_choice_are_the_networks() -> None:
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    space = spaces.from_model(Scaled(), x)
    supernet = space.supernet().eval()
    for architecture in space.enumerate():
        network = space.network(architecture).eval()
        supernet.activate(architecture)
        assert torch.equal(network(x), supernet(x))
        assert sum(value.numel() for value in network.parameters()) == space.params(architecture)
        assert "model.choice.shift" in network.state_dict()


class Hooked(nn.Module):
    """A model whose choices have hooks: scaled outputs, shifted inputs, and a clipped gradient."""

    def __init__(self) -> None:
        super().__init__()
        shared = nn.Linear(4, 4)
        self.first = LayerChoice([shared, nn.Identity()])
        self.second = LayerChoice([shared, nn.Tanh()])
        self.depth = Repeat(lambda index: nn.Linear(4, 4), (1, 2))
        self.head = nn.Linear(4, 2)
        self.first.gain = 3.0
        self.first.register_forward_hook(self._scale, with_kwargs=True)
        self.second.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        self.second.register_full_backward_hook(
            lambda module, gradients, _: (gradients[0].clamp(-0.01, 0.01),)
        )
        self.depth.register_forward_hook(lambda module, args, output: output.relu())

    def _scale(self, module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> Tensor:
        return output * module.gain * self.head.weight.mean()  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.depth(self.second(self.first(x))))
        return output


def test_hooks_of_choices_are_the_networks() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4)
    space = spaces.from_model(Hooked(), x, pretrained=True)
    for architecture in space.enumerate():
        supernet = space.supernet()
        supernet.activate(architecture)
        network = space.network(architecture)
        outputs = []
        gradients = []
        for model in (supernet, network):
            image = x.clone().requires_grad_()
            outputs.append(model(image))
            outputs[-1].sum().backward()
            gradients.append(image.grad)
        assert torch.equal(*outputs)
        assert torch.equal(*gradients)

    # A hook that belongs to the copied model reads the weights of the copy.
    before = network(x)
    with torch.no_grad():
        network.model.head.weight.fill_(0.5)
    assert not torch.equal(network(x), before)
