"""Binary spaces: the two-level space of cells and layout, and residual networks."""

import numpy as np
import pytest
import torch

import spaces
from oneshot import Limit
from spaces.errors import InvalidParameter
from spaces.modules.elastic import ElasticBatchNorm
from spaces.zoo.binary_cells import BinaryCellSpace

TINY = "binary-cells(cells=2, channels=8, input_size=16, stages=2)"


@pytest.mark.parametrize("name", ["xnor-resnet18", "bireal-resnet18"])
def test_baselines_are_resnet18(name: str) -> None:
    """The binary convolutions of ResNet-18 for CIFAR-10: four stages of four, without the stem and
    the projections."""
    architecture = spaces.published(name)
    space = spaces.get(architecture.space)
    first = 4 * 64 * 64 * 9 * 32**2
    others = sum(
        (width // 2 * width + 3 * width**2) * 9 * (32 * 64 // width) ** 2
        for width in (128, 256, 512)
    )
    assert space.binary_macs(architecture) == first + others
    stem = 3 * 64 * 9 * 32**2
    projections = sum(width // 2 * width * (32 * 64 // width) ** 2 for width in (128, 256, 512))
    assert space.macs(architecture) == stem + projections + 512 * 10


def test_layout_and_cell_are_separate_levels() -> None:
    space = spaces.get(TINY)
    assert isinstance(space, BinaryCellSpace)
    conv = {choice.key: "none" for choice in space.choices if choice.key.startswith("edge")}
    conv["edge_0_3"] = "binary_conv_3x3"
    small = {**conv, "cells_0": "1", "width_0": "0.5", "cells_1": "1", "width_1": "0.5"}
    deep = space.architecture({**small, "cells_0": "2"})
    wide = space.architecture({**small, "width_1": "1"})
    base = space.architecture(small)
    assert space.binary_macs(deep) - space.binary_macs(base) == 4 * 4 * 9 * 16**2
    # A wider stage has a wider reduction and wider cells.
    added = 4 * 8 * 9 * 64 + (16**2 - 8**2) * 9 * 64
    assert space.binary_macs(wide) - space.binary_macs(base) == added


def test_the_supernet_runs_each_width_with_shared_weights() -> None:
    space = spaces.get(TINY)
    supernet = space.supernet(num_classes=10).eval()
    # Equal statistics of all channels, so that normalisation does not depend on the width.
    assert any(isinstance(module, ElasticBatchNorm) for module in supernet.modules())
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for architecture in space.decode(space.sample(np.random.default_rng(0), 6)):
        supernet.activate(architecture)
        with torch.no_grad():
            assert supernet(x).shape == (2, 10)


def test_the_largest_network_computes_as_the_supernet() -> None:
    """At the full width slices are whole weights: the standalone network agrees."""
    space = spaces.get(TINY)
    codes = space.sample(np.random.default_rng(1), 1)
    codes[:, 6:] = space.candidates[6:] - 1
    supernet = space.supernet(num_classes=10).eval()
    supernet.activate(codes[0])
    network = space.network(space.decode(codes)[0]).eval()
    modules = list(network.blocks)  # type: ignore[arg-type]
    for module, source in zip(modules, supernet.path(), strict=True):
        module.load_state_dict(source.state_dict(), strict=False)
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(network(x), supernet(x), atol=1e-5)


def test_binary_operations_limit_a_search() -> None:
    space = spaces.get(TINY)
    codes = space.sample(np.random.default_rng(0), 200)
    counts = space.binary_macs(codes)
    limit = Limit("binary_macs", float(np.median(counts))).bind(space, pytest.fail)
    assert (limit.met(codes) == (counts <= np.median(counts))).all()


@pytest.mark.parametrize(
    "parameters",
    [{"input_size": 18}, {"stages": 0}, {"channels": 6}, {"estimator": "relu"}],
)
def test_impossible_parameters_are_refused(parameters: dict[str, object]) -> None:
    (key,) = parameters
    with pytest.raises(InvalidParameter, match=key):
        spaces.get("binary-cells", **parameters)
