"""Networks of users' own models are exported like those of published spaces."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import spaces
from oneshot.errors import InvalidRun
from oneshot.export.onnx import TOLERANCE, compare, write_onnx
from spaces import LayerChoice, Repeat

SHAPE = (3, 8, 8)


def convolutions() -> LayerChoice:
    return LayerChoice([nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)])


def body(*layers: nn.Module) -> nn.Module:
    """A classifier of 5 classes with some layers in the middle."""
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *layers, *head)


@pytest.mark.parametrize(
    "layer",
    [
        Repeat(lambda index: convolutions(), (1, 2)),
        LayerChoice([nn.Sequential(convolutions(), nn.ReLU(inplace=True)), nn.Identity()]),
    ],
    ids=["repeat", "nested"],
)
def test_the_exported_network_computes_what_torch_does(layer: nn.Module, tmp_path: Path) -> None:
    space = spaces.from_model(body(layer), torch.zeros(1, *SHAPE))
    network = space.network(next(iter(space.enumerate()))).eval()

    write_onnx(network, SHAPE, tmp_path / "network.onnx", {})

    assert compare(network, SHAPE, tmp_path / "network.onnx") <= TOLERANCE


def test_a_network_that_cannot_be_converted_is_refused_with_the_reason(tmp_path: Path) -> None:
    class Unconvertible(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("only batches of one image")

    with pytest.raises(InvalidRun, match=r"cannot be converted to ONNX: .*only batches of one"):
        write_onnx(Unconvertible(), SHAPE, tmp_path / "network.onnx", {})
    assert not list(tmp_path.iterdir())
