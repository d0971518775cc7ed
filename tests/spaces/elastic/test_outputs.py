"""Kinds of outputs of users' networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spaces.elastic import InvalidNetwork, from_network
from spaces.elastic.outputs import outputs_of
from spaces.modules.nested import tensors_in
from tests.spaces.elastic.example_networks import Detector, UNet

pytest.importorskip("torch_pruning")


@pytest.mark.parametrize(
    ("returned", "head", "classes"),
    [
        (torch.zeros(1, 5), "classes", 5),
        (torch.zeros(1, 4, 8, 8), "mask", 4),
        (torch.zeros(1, 9, 6), "classes", 6),
        ((torch.zeros(1, 7), torch.zeros(1, 2)), "classes", 7),
    ],
)
def test_kind_follows_from_the_first_tensor(returned: Any, head: str, classes: int) -> None:
    outputs = outputs_of(nn.Identity(), returned)

    assert (outputs.head, outputs.num_classes, outputs.geometry) == (head, classes, None)


def test_smaller_detectors_keep_the_locations_of_their_boxes() -> None:
    torch.manual_seed(0)
    detector = Detector().eval()
    space = from_network(detector, torch.zeros(1, 3, 32, 32), "elastic-detector")
    images = torch.randn(2, 3, 32, 32)

    small = space.network(space.smallest)

    assert (space.head, space.num_classes) == ("boxes", 3)
    assert space.head_geometry() is Detector.geometry
    assert small(images)["scores"].shape == (2, 16, 4)
    assert space.macs(space.smallest) < space.macs(space.original) / 3
    for first, second in zip(
        tensors_in(space.network(space.original)(images)), tensors_in(detector(images)), strict=True
    ):
        assert torch.equal(first, second)


class WrongDetector(Detector):
    """A detector that returns its scores alone."""

    def forward(self, x: Tensor) -> Any:
        return super().forward(x)["scores"]


def test_detector_with_other_outputs_is_refused() -> None:
    with pytest.raises(
        InvalidNetwork, match=r"offsets \[n, 16, 4\] at the 16 locations .* not \[1, 16, 4\]"
    ):
        from_network(WrongDetector(), torch.zeros(1, 3, 32, 32))


def test_detector_has_images_of_one_size() -> None:
    with pytest.raises(InvalidNetwork, match="the boxes of a detector lie at the locations"):
        from_network(Detector(), torch.zeros(1, 3, 32, 32), resolutions=(24,))


@pytest.mark.parametrize("resolutions", [None, (8,)])
def test_order_of_channels_follows_losses(resolutions: tuple[int, ...] | None) -> None:
    torch.manual_seed(0)
    network = UNet(width=8).eval()
    images = torch.randn(4, 3, 16, 16)
    space = from_network(network, torch.zeros(1, 3, 16, 16), resolutions=resolutions)

    def losses(model: nn.Module) -> list[Tensor]:
        return [model(images).square().mean()]

    ordered = space.ordered_by(losses)
    at_once = from_network(
        network, torch.zeros(1, 3, 16, 16), losses=losses, resolutions=resolutions
    )

    assert ordered == at_once
    assert ordered != space
    codes = space.sample(np.random.default_rng(0), 5)
    assert ordered.macs(codes).tolist() == space.macs(codes).tolist()
    for codes_of_one in codes:
        architecture = ordered.architecture(codes_of_one.tolist())
        first = ordered.network(architecture).state_dict()
        second = at_once.network(architecture).state_dict()
        assert all(torch.equal(first[name], second[name]) for name in first)
