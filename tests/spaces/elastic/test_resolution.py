"""Elastic spaces in which the side of the images is a choice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spaces.elastic import ElasticSpace, InvalidNetwork, from_network
from spaces.registry import SPACES
from spaces.space import SearchSpace
from tests.spaces.elastic.example_networks import build
from tests.spaces.elastic.test_contract import ElasticContract

pytest.importorskip("torch_pruning")

SIDES = (16, 12, 8)


@pytest.fixture(scope="module", params=["resnet", "unet", "mobilenet"])
def name(request: pytest.FixtureRequest) -> str:
    """The name of an example network."""
    value: str = request.param
    return value


@pytest.fixture(scope="module")
def space(name: str) -> ElasticSpace:
    """The space of a network at three sizes."""
    example = torch.zeros(1, 3, 16, 16)
    return from_network(build(name), example, f"elastic-{name}-sizes", resolutions=SIDES)


def test_costs_are_those_of_a_space_of_each_size(name: str, space: ElasticSpace) -> None:
    codes = space.sample(np.random.default_rng(0), 15)

    for code, side in enumerate(SIDES):
        direct = from_network(build(name), torch.zeros(1, 3, side, side), "elastic-direct")
        rows = codes[codes[:, 0] == code]
        inner = np.asfortranarray(rows[:, 1:])

        assert len(rows) > 0
        assert space.macs(rows).tolist() == direct.macs(inner).tolist()
        assert space.params(rows).tolist() == direct.params(inner).tolist()
        blocks = space.blocks(space.decode(rows[:1])[0])
        expected = direct.blocks(direct.architecture(inner[0].tolist()))
        assert [block.key for block in blocks] == [block.key for block in expected]


def test_networks_run_on_images_of_their_size(space: ElasticSpace) -> None:
    for architecture in space.decode(space.sample(np.random.default_rng(0), 6)):
        images = space.random_input(architecture, 2, torch.Generator().manual_seed(0))
        side = int(architecture.choices["resolution"])

        assert images.shape == (2, 3, side, side)
        assert space.input_shape_of(architecture) == (3, side, side)
        assert space.network(architecture)(images).shape[:2] == (2, space.num_classes)


def test_original_is_unchanged_by_the_choice_of_a_size(name: str, space: ElasticSpace) -> None:
    images = torch.randn(2, 3, 16, 16)

    largest = space.network(space.original)

    assert space.original.choices["resolution"] == "16"
    assert torch.equal(largest(images), build(name)(images))
    assert space.size == 3 * space.at(0).size


def test_supernet_resizes_images_to_the_active_size(space: ElasticSpace) -> None:
    images = torch.randn(2, 3, 16, 16)
    supernet = space.supernet().eval()
    row = (space.candidates - 1).tolist()

    supernet.activate(row)

    resized = nn.functional.interpolate(images, (8, 8), mode="bilinear", antialias=True)
    assert torch.equal(supernet(images), space.network(space.smallest)(resized))


def test_features_of_latency_shrink_with_the_size(space: ElasticSpace) -> None:
    codes = space.sample(np.random.default_rng(1), 20)

    for block in (1, 8):
        by_size = []
        for code in range(len(SIDES)):
            rows = codes.copy(order="F")
            rows[:, 0] = code
            by_size.append(space.cost_features(rows, block))

        inner = space.at(0).cost_features(np.asfortranarray(codes[:, 1:]), block)
        assert np.allclose(by_size[0], inner)
        for larger, smaller in itertools.pairwise(by_size):
            assert (smaller <= larger + 1e-12).all()
            assert (smaller.sum(1) < larger.sum(1)).all()

    # Rows keep their order, whatever sizes are mixed.
    mixed = space.cost_features(codes)
    alone = [space.cost_features(codes[row : row + 1])[0] for row in range(len(codes))]
    assert np.allclose(mixed, alone)


def test_other_weights_apply_at_every_size(name: str, space: ElasticSpace) -> None:
    trained = space.with_weights(build(name, seed=1))

    weights = trained.network(trained.smallest).state_dict()

    other = space.network(space.smallest).state_dict()
    assert trained.resolutions == SIDES
    assert any(not torch.equal(weights[key], other[key]) for key in weights)


class OtherModules(nn.Module):
    """A network with another module for small images."""

    def __init__(self) -> None:
        super().__init__()
        self.large = nn.Conv2d(3, 16, 3)
        self.small = nn.Conv2d(3, 16, 3)
        self.classifier = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        layer = self.large if x.shape[-1] > 8 else self.small
        result: Tensor = self.classifier(layer(x).mean((2, 3)))
        return result


FLATTENED = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Flatten(), nn.Linear(16 * 14 * 14, 4))


@pytest.mark.parametrize(
    ("network", "side", "resolutions", "message"),
    [
        (FLATTENED, 16, (8,), r"cannot be multiplied .* \(in the module 2\); leave 8 out"),
        (OtherModules(), 16, (12, 8), "on images of 8 pixels does not run the module small as"),
        (build("vit"), 16, (8,), "VisionTransformer on images of 8 pixels fails: RuntimeError"),
        (build("resnet"), 16, (32, 8), "between 1 and the network's 16 pixels, not 32, 8"),
        (build("resnet"), 16, (), "not none"),
        (build("resnet"), 16, (0,), "not 0"),
    ],
    ids=["flattened", "modules", "positions", "larger", "none", "zero"],
)
def test_unusable_size_is_refused_with_the_reason(
    network: nn.Module, side: int, resolutions: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InvalidNetwork, match=message):
        from_network(network, torch.zeros(1, 3, side, side), resolutions=resolutions)


def test_images_that_are_not_square_have_no_sizes() -> None:
    with pytest.raises(InvalidNetwork, match=r"sides of square images; .* \[3, 16, 8\]"):
        from_network(build("resnet"), torch.zeros(1, 3, 16, 8), resolutions=(8,))


def test_only_size_of_the_example_leaves_no_choice() -> None:
    space = from_network(build("shared"), torch.zeros(1, 3, 16, 16), resolutions=(16,))

    assert space.resolutions == ()
    assert all(choice.key != "resolution" for choice in space.choices)


class TestSizes(ElasticContract):
    """The contract of a space with sizes."""

    samples = 40
    network_name = "resnet"
    _space: SearchSpace | None = None

    def space(self) -> SearchSpace:
        # Made once: each space is compared by its weights.
        if TestSizes._space is None:
            TestSizes._space = from_network(
                build("resnet"), torch.zeros(1, 3, 16, 16), "elastic-sizes", resolutions=SIDES
            )
        return TestSizes._space

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        with SPACES.preserved():
            SPACES.add(self.space().name, lambda name, /: self.space())
            yield
