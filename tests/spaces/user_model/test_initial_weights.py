"""Trainings of a model of one's own begin with its frozen weights, and on request with all."""

import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces import LayerChoice
from spaces.space import SearchSpace


class Features(nn.Module):
    """A choice and a classifier on a frozen backbone."""

    def __init__(self) -> None:
        super().__init__()
        # Without scale and shift, so that the normalisation has statistics but no parameter.
        norm = nn.BatchNorm2d(8, affine=False)
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 2), norm)
        for index, value in enumerate(self.backbone.state_dict().values()):
            value.fill_(index + 2)
        self.backbone.requires_grad_(False)
        kernels = {"k1": nn.Conv2d(8, 8, 1), "k3": nn.Conv2d(8, 8, 3, padding=1)}
        self.choice = LayerChoice(kernels, key="kernel")
        self.head = nn.Linear(8, 10)
        self.head.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        self.backbone.eval()
        y: Tensor = self.head(self.choice(self.backbone(x)).relu().mean((2, 3)))
        return y


def models(space: SearchSpace, seed: int) -> list[nn.Module]:
    """The supernet and a network, with weights of a seed."""
    architecture = space.architecture({"kernel": "k3"})
    return [
        space.supernet(generator=torch.Generator().manual_seed(seed)),
        space.network(architecture, generator=torch.Generator().manual_seed(seed)),
    ]


def tensors(model: nn.Module, part: str) -> list[Tensor]:
    """The parameters and buffers whose names have a part."""
    return [value for name, value in model.state_dict().items() if part in name]


@pytest.mark.parametrize("part", ["backbone", "head.bias"])
def test_a_seed_draws_the_weights_that_are_not_frozen(part: str) -> None:
    model = Features()
    space = spaces.from_model(model, torch.zeros(1, 3, 16, 16))

    for first, second in zip(models(space, 0), models(space, 1), strict=True):
        kept = tensors(first, part)
        assert len(kept) == len(tensors(model, part)) > 0
        for value, original in zip(kept, tensors(model, part), strict=True):
            assert torch.equal(value, original)
        assert not torch.equal(tensors(first, "head.weight")[0], tensors(second, "head.weight")[0])


def test_a_pretrained_model_keeps_all_weights() -> None:
    model = Features()
    space = spaces.from_model(model, torch.zeros(1, 3, 16, 16), pretrained=True)

    supernet, network = models(space, 0)

    for name, value in model.state_dict().items():
        assert torch.equal(supernet.state_dict()[f"model.{name}"], value)
    assert torch.equal(tensors(network, "head.weight")[0], model.head.weight)


def test_the_space_describes_the_weights_that_trainings_begin_with() -> None:
    example = torch.zeros(1, 3, 16, 16)
    assert spaces.get("spos-tiny").initial_weights == ""
    assert "3 frozen tensors are" in spaces.from_model(Features(), example).initial_weights
    pretrained = spaces.from_model(Features(), example, pretrained=True)
    assert pretrained.initial_weights == "all weights of the model"


def test_a_supernet_leaves_its_images_as_they_are() -> None:
    """Several paths read the same images, also where a model works in place on them."""

    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = LayerChoice([nn.Linear(3, 2), nn.Linear(3, 2, bias=False)], key="head")

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.head(x.sub_(1).mean((2, 3)))
            return y

    supernet = spaces.from_model(InPlace(), torch.zeros(1, 3, 4, 4)).supernet()
    supernet.activate([0])
    images = torch.ones(2, 3, 4, 4)

    assert torch.equal(supernet(images), supernet(images))
    assert torch.equal(images, torch.ones(2, 3, 4, 4))
