"""NDS: sizes of the spaces, blocks, and networks against a direct construction."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces.block import Block
from spaces.errors import InvalidParameter
from spaces.modules.blocks import build

RESNET = "nds-resnet(input_size=16, depths=(1, 2, 3), widths=(8, 16, 24))"
RESNEXT = (
    "nds-resnext(input_size=16, depths=(1, 2, 3), widths=(16, 24), ratios=(0.5, 1.0),"
    " groups=(1, 2))"
)


@pytest.mark.parametrize(
    ("name", "size"), [("nds-resnet", 9**3 * 12**3), ("nds-resnext", 5**6 * 3**6)]
)
def test_sizes_are_those_of_the_paper(name: str, size: int) -> None:
    """1,259,712 ResNets and 11,390,625 ResNeXts-A (arXiv 1905.13214, table 1)."""
    assert spaces.get(name).size == size


# A direct construction


class Residual(nn.Module):
    """A block as in pycls: the first convolution of a basic block, the second of a bottleneck
    has the stride.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, hidden: int = 0, groups: int = 1):
        super().__init__()

        def conv(
            before: int, after: int, kernel: int, step: int = 1, g: int = 1
        ) -> list[nn.Module]:
            layer = nn.Conv2d(before, after, kernel, step, kernel // 2, groups=g, bias=False)
            return [layer, nn.BatchNorm2d(after)]

        if hidden:
            self.main = nn.Sequential(
                *conv(inputs, hidden, 1),
                nn.ReLU(),
                *conv(hidden, hidden, 3, stride, groups),
                nn.ReLU(),
                *conv(hidden, outputs, 1),
            )
        else:
            self.main = nn.Sequential(
                *conv(inputs, outputs, 3, stride), nn.ReLU(), *conv(outputs, outputs, 3)
            )
        projects = inputs != outputs or stride > 1
        self.proj = nn.Sequential(*conv(inputs, outputs, 1, stride)) if projects else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.proj is None else self.proj(x)
        return (shortcut + self.main(x)).relu()


def direct(stages: list[tuple[Any, ...]]) -> nn.Sequential:
    """A network of (depth, width[, ratio, groups]) for each stage, with a stem of 16 channels."""
    layers: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    ]
    before = 16
    for (depth, width, *bottleneck), stride in zip(stages, (1, 2, 2), strict=True):
        for number in range(depth):
            hidden, groups = (round(width * bottleneck[0]), bottleneck[1]) if bottleneck else (0, 1)
            step = 1 if number else stride
            layers.append(Residual(before, width, step, hidden, groups))
            before = width
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, nn.Sequential(pooled, nn.Linear(before, 10)))


@pytest.mark.parametrize(
    ("name", "choices", "stages"),
    [
        (
            RESNET,
            {"depth_1": "d2", "width_1": "w16", "depth_2": "d1", "width_2": "w8"}
            | {"depth_3": "d3", "width_3": "w24"},
            [(2, 16), (1, 8), (3, 24)],
        ),
        (
            RESNEXT,
            {
                "depth_1": "d2",
                "width_1": "w16",
                "ratio_1": "b0.5",
                "groups_1": "g2",
                "depth_2": "d1",
                "width_2": "w24",
                "ratio_2": "b1",
                "groups_2": "g1",
                "depth_3": "d3",
                "width_3": "w16",
                "ratio_3": "b0.5",
                "groups_3": "g1",
            },
            [(2, 16, 0.5, 2), (1, 24, 1.0, 1), (3, 16, 0.5, 1)],
        ),
    ],
)
def test_networks_are_those_of_a_direct_construction(
    name: str, choices: dict[str, str], stages: list[tuple[Any, ...]]
) -> None:
    space = spaces.get(name)
    architecture = space.architecture(choices)
    network: Any = space.network(architecture).eval()
    other = direct(stages).eval()
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    values = dict(zip(other.state_dict(), network.state_dict().values(), strict=True))
    other.load_state_dict(values)

    assert space.params(architecture) == sum(value.numel() for value in other.parameters())
    with torch.no_grad():
        torch.testing.assert_close(network(images), other(images))


@pytest.mark.parametrize("name", [RESNET, RESNEXT])
def test_sub_networks_have_the_first_channels_of_the_supernet(name: str) -> None:
    space = spaces.get(name)
    supernet: Any = space.supernet().eval()
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    for architecture in space.decode(space.sample(np.random.default_rng(0), 6)):
        supernet.activate(architecture)
        network: Any = space.network(architecture).eval()
        with torch.no_grad():
            for block, shared in zip(network.blocks, supernet.path(), strict=True):
                wide = dict(shared.named_modules())
                for key, layer in block.named_modules():
                    if isinstance(layer, nn.Conv2d | nn.Linear):
                        rows, columns = layer.weight.shape[:2]
                        layer.weight.copy_(wide[key].weight[:rows, :columns])
            torch.testing.assert_close(supernet(images), network(images))


def test_supernet_has_the_largest_sizes() -> None:
    space = spaces.get(RESNEXT)
    supernet: Any = space.supernet()
    largest = supernet.places["stage_3/block_3"].main

    assert len(supernet.places) == 3 * 3 + 2
    assert largest[3].weight.shape == (24, 24, 3, 3)


def test_every_listed_block_occurs() -> None:
    for name in (RESNET, RESNEXT):
        space = spaces.get(name)
        keys, counts = space.block_counts(space.sample(np.random.default_rng(0), 5000))
        assert [key for key, count in zip(keys, counts.sum(0), strict=True) if not count] == []


def test_block_without_a_projection_adds_its_input() -> None:
    block = Block("residual_basic", (8, 5, 5), (8, 5, 5), 3, stride=1)
    module: Any = build(block).eval()
    x = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(0))

    assert module.proj is None
    with torch.no_grad():
        torch.testing.assert_close(module(x), (x + module.main(x)).relu())


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("nds-resnet(widths=(16, 16))", r"positive and different, not \(16, 16\)"),
        ("nds-resnet(depths=())", r"positive and different, not \(\)"),
        ("nds-resnet(input_size=30)", "multiple of 4, not 30"),
        ("nds-resnext(groups=(3,))", "3 groups do not divide the inner width 4 of width 16"),
        ("nds-resnet(stem_channels=256)", "must not be the greatest width, 256"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(name: str, named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        spaces.get(name)
