"""Proxies of blocks, patterns, batches and channels, on networks with known values."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from predictor.errors import InvalidValues
from predictor.proxies import Subject, measure
from predictor.proxies.block_features import block_features


def batch(count: int = 32, side: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, side, side, generator=generator), torch.arange(count) % 4


def value(network: nn.Module, name: str, images: Tensor, labels: Tensor) -> float:
    return measure(network, images, labels, [name])[name]


def pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(inputs, outputs, 1, bias=False)


class Scale(nn.Module):
    """Multiplication by a constant."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Head(nn.Sequential):
    """Classifier on the mean over pixels."""

    def __init__(self, channels: int):
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4))


def test_entropy_is_the_logarithm_of_the_number_of_equal_components() -> None:
    # Three independent channels, then one channel, then five copies of it up to a factor.
    network = nn.Sequential(nn.Identity(), pointwise(3, 1), pointwise(1, 5))
    images, labels = batch()

    expressivity = value(network, "expressivity", images, labels)
    assert expressivity == pytest.approx(math.log(3), abs=0.01)
    assert value(network, "progressivity", images, labels) == pytest.approx(-expressivity, rel=1e-4)


@pytest.mark.parametrize(
    ("block", "norm"),
    [(Scale(0.5), 0.5), (Scale(2.0), 2.0), (Scale(1.001), 1.0), (nn.AvgPool2d(2), 0.5)],
    ids=["half", "double", "equal", "pooling"],
)
def test_trainability_falls_with_the_distance_of_the_norm_from_one(
    block: nn.Module, norm: float
) -> None:
    # Four gradients of a quarter reach a pixel of the pooling: their norm is a half.
    network = nn.Sequential(nn.Identity(), block)

    trainability = value(network, "trainability", *batch())
    assert trainability == pytest.approx(2 - norm - 1 / norm, abs=0.15)


def test_trainability_of_blocks_that_train_nothing_is_worst() -> None:
    images, labels = batch()
    identity = value(nn.Sequential(nn.Identity(), nn.Identity()), "trainability", images, labels)
    assert identity < value(nn.Sequential(nn.Identity(), Scale(0.01)), "trainability", *batch())


def test_every_cell_of_a_space_has_the_same_blocks() -> None:
    space = spaces.get("nasbench201(input_size=8, cells=2)")
    images, _ = batch(4)
    for architecture in space.decode(space.sample(np.random.default_rng(0), 5)):
        network = space.network(architecture, 4, torch.Generator().manual_seed(0))
        features = block_features(network, images)

        # The stem, three stages of two cells, and two reductions.
        assert len(features) == 1 + 3 * 2 + 2
        assert [block.shape[2] for block in features] == [8, 8, 8, 4, 4, 4, 2, 2, 2]


def test_blocks_of_a_chain_are_those_of_its_space() -> None:
    space = spaces.get("nasbench-macro(input_size=16)")
    architecture = space.decode(space.sample(np.random.default_rng(0), 1))[0]
    network = space.network(architecture, 4, torch.Generator().manual_seed(0))
    features = block_features(network, batch(4, 16)[0])

    shapes = [block.output for block in space.blocks(architecture) if len(block.output) == 3]
    assert [tuple(block.shape[1:]) for block in features] == shapes


def test_children_that_work_in_place_do_not_change_recorded_features() -> None:
    images, _ = batch()
    features = block_features(nn.Sequential(Scale(1.0), nn.ReLU(inplace=True), Head(3)), images)

    assert torch.equal(features[0], images)
    assert torch.equal(features[1], images.relu())


def test_a_network_without_blocks_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    with pytest.raises(InvalidValues, match="the network has 0 that return images"):
        measure(network, *batch(), ["expressivity"])


@pytest.mark.parametrize("count", [5, 62, 63, 130])
def test_swap_counts_different_patterns(count: int) -> None:
    images, labels = batch(count, side=4)
    convolution = pointwise(3, 6)
    network = nn.Sequential(convolution, nn.ReLU(inplace=True), Head(6))

    bits = (convolution(images) > 0).flatten(1).T.tolist()
    assert value(network, "swap", images, labels) == len(set(map(tuple, bits)))


def test_swap_of_equal_images_has_two_patterns() -> None:
    images, labels = batch(1)
    network = nn.Sequential(pointwise(3, 6), nn.ReLU(), Head(6))
    assert value(network, "swap", images.repeat(9, 1, 1, 1), labels.repeat(9)) == 2


def test_zico_follows_from_the_gradients_of_two_halves() -> None:
    images, labels = batch(8)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.Tanh(), nn.Linear(5, 4))

    expected = 0.0
    for layer in (network[1], network[3]):
        halves = []
        for rows in (slice(0, 4), slice(4, 8)):
            loss = nn.functional.cross_entropy(network(images[rows]), labels[rows])
            halves.append(torch.autograd.grad(loss, layer.weight)[0].double().numpy())
        # With two values the deviation is half their distance.
        deviation = abs(halves[0] - halves[1]) / 2
        mean = (abs(halves[0]) + abs(halves[1])) / 2
        expected += math.log((mean / deviation).sum())

    assert value(network, "zico", images, labels) == pytest.approx(expected, rel=1e-4)


def test_meco_is_the_least_eigenvalue_of_correlations() -> None:
    images, labels = batch(2, side=64)
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = np.linalg.eigvalsh(np.corrcoef(noise[0].flatten(1).numpy()))[0]

    network = nn.Sequential(nn.Identity(), Scale(3.0), nn.Flatten(), nn.Linear(12288, 4))
    assert value(network, "meco", images, labels) == pytest.approx(2 * expected, rel=1e-4)


def test_meco_of_dependent_channels_is_zero() -> None:
    network = nn.Sequential(pointwise(3, 4), Head(4))
    # Four mixtures of three channels are dependent; pooled features have one pixel an image.
    assert value(network, "meco", *batch(2, side=64)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["expressivity", "trainability", "meco"])
def test_proxies_of_noise_do_not_depend_on_the_images(name: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3))
    images, labels = batch()
    assert value(network, name, images, labels) == value(network, name, images.flip(0), labels)


def test_zico_needs_two_images() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    with pytest.raises(InvalidValues, match="zico needs at least 2 images"):
        measure(network, *batch(1), ["zico"])


def test_a_subject_is_released_with_its_last_reference() -> None:
    import gc
    import weakref

    from predictor.proxies.az_nas import expressivity, progressivity

    subject = Subject(nn.Sequential(nn.Identity(), pointwise(3, 2)), *batch())
    assert progressivity(subject) < expressivity(subject)
    reference = weakref.ref(subject)
    del subject
    gc.collect()
    assert reference() is None
