"""Once-for-All's supernet: every candidate is a part of one layer's weights."""

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

import spaces
from spaces.block import Block
from spaces.errors import InvalidBlock
from spaces.modules.elastic_block import (
    ElasticDepthwise,
    ElasticMBConv,
    ElasticSqueezeExcitation,
    reduced_channels,
)
from spaces.modules.elastic_supernet import ElasticLayerChoice, elastic_of, extract
from spaces.modules.supernet import Supernet
from spaces.operators.mobile import MBConvOperator

TINY = "ofa-mobilenetv3(depths=(1, 2), resolutions=(32,), width=0.25)"
SPACES = [
    TINY,
    "ofa-mobilenetv3(depths=(1, 2), resolutions=(24, 32), width=0.25)",
    "ofa-proxyless(depths=(1, 2), kernels=(3, 5), resolutions=(32,), width=0.25)",
]


def made(name: str = TINY, seed: int = 1) -> Any:
    """A supernet whose statistics, scales and kernel matrices are not the first ones."""
    supernet = spaces.get(name).supernet(7, torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        for buffer in supernet.buffers():
            if buffer.is_floating_point():
                buffer += 0.1 * torch.rand(buffer.shape, generator=generator)
    return supernet


def elastic_layers(supernet: Supernet) -> list[ElasticLayerChoice]:
    return [part for part in supernet.modules() if isinstance(part, ElasticLayerChoice)]


@pytest.mark.parametrize("name", SPACES)
def test_path_and_network_compute_the_same(name: str) -> None:
    supernet = made(name)
    space = supernet.space
    x = torch.randn(3, *space.input_shape, generator=torch.Generator().manual_seed(3))
    for seed in range(4):
        architecture = space.sample(np.random.default_rng(seed))
        supernet.activate(architecture)
        with torch.no_grad():
            expected = supernet.eval()(x)
        network = extract(supernet, architecture)
        assert type(network) is type(space.network(architecture, 7))
        assert sum(value.numel() for value in network.parameters()) == space_params(
            space, architecture
        )
        size = space.input_shape_of(architecture)[1:]
        given = (
            x
            if size == x.shape[2:]
            else nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        )
        with torch.no_grad():
            assert torch.equal(network(given), expected)
        assert expected.std() > 0


def space_params(space: Any, architecture: Any) -> int:
    return sum(value.numel() for value in space.network(architecture, 7).parameters())


def test_a_path_learns_as_its_network_does() -> None:
    """The same gradients, and the same running statistics after a batch."""
    supernet = made()
    space = supernet.space
    architecture = space.sample(np.random.default_rng(5))
    network = extract(supernet, architecture).train()
    supernet.train()
    for part in (*network.modules(), *supernet.modules()):
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    x = torch.randn(8, *space.input_shape, generator=torch.Generator().manual_seed(4))
    supernet(x).square().mean().backward()
    network(x).square().mean().backward()
    blocks = iter(network.blocks)
    for layer in supernet.layers:
        if not isinstance(layer, ElasticLayerChoice):
            for own, other in zip(layer.parameters(), next(blocks).parameters(), strict=True):
                torch.testing.assert_close(own.grad, other.grad)
            continue
        candidate = layer.candidates[layer.active]
        if isinstance(candidate, nn.Identity):
            continue
        block = next(blocks)
        own = layer.whole.expand.weight.grad
        convolutions = [part for part in block.modules() if isinstance(part, nn.Conv2d)]
        hidden = convolutions[0].out_channels
        torch.testing.assert_close(own[:hidden], convolutions[0].weight.grad)
        norms = [part for part in block.modules() if isinstance(part, nn.BatchNorm2d)]
        torch.testing.assert_close(
            layer.whole.expand_norm.running_mean[:hidden], norms[0].running_mean
        )
        torch.testing.assert_close(
            layer.whole.depthwise_norm.running_var[:hidden], norms[1].running_var
        )


def test_gradients_flow_only_into_the_part_that_runs() -> None:
    supernet = made().train()
    space = supernet.space
    architecture = space.architecture({choice.key: "k5e4" for choice in space.choices})
    supernet.activate(architecture)
    before = {name: value.clone() for name, value in supernet.named_buffers()}
    supernet(torch.randn(4, *space.input_shape)).square().mean().backward()
    for choice in elastic_layers(supernet):
        whole, hidden = choice.whole, choice.whole.inputs * 4
        assert whole.expand.weight.grad[:hidden].abs().sum() > 0
        assert whole.depthwise.weight.grad[:hidden].abs().sum() > 0
        for weight in (whole.expand.weight, whole.depthwise.weight, whole.expand_norm.weight):
            assert not weight.grad[hidden:].any()
        assert not whole.project.weight.grad[:, hidden:].any()
        inside = torch.zeros(7, 7, dtype=torch.bool)
        inside[1:6, 1:6] = True
        assert not whole.depthwise.weight.grad[:, 0, ~inside].any()
        assert whole.depthwise.matrix_7_to_5.grad.any()
        assert whole.depthwise.matrix_5_to_3.grad is None
    buffers = dict(supernet.named_buffers())
    first = elastic_layers(supernet)[0].whole
    name = next(name for name, value in buffers.items() if value is first.expand_norm.running_mean)
    hidden = first.inputs * 4
    assert torch.equal(buffers[name][hidden:], before[name][hidden:])
    assert not torch.equal(buffers[name][:hidden], before[name][:hidden])


def test_skipped_layers_have_no_gradients() -> None:
    supernet = made().train()
    space = supernet.space
    optional = {space.choices[column].key for stage in space.optional for column in stage}
    architecture = space.architecture(
        {choice.key: "skip" if choice.key in optional else "k3e3" for choice in space.choices}
    )
    supernet.activate(architecture)
    supernet(torch.randn(4, *space.input_shape)).square().mean().backward()
    for choice in elastic_layers(supernet):
        gradients = [value.grad for value in choice.whole.parameters()]
        assert all(gradient is None for gradient in gradients) is (choice.key in optional)


def test_kernels_begin_as_centres_of_the_largest() -> None:
    supernet = spaces.get(TINY).supernet(generator=torch.Generator().manual_seed(0))
    for choice in elastic_layers(supernet):
        depthwise = choice.whole.depthwise
        for size in (3, 5, 7):
            cut = (7 - size) // 2
            centre = depthwise.weight[:, :, cut : cut + size, cut : cut + size]
            assert torch.equal(depthwise.kernel(size, depthwise.out_channels), centre)


def test_smaller_kernels_are_transformed_one_after_the_other() -> None:
    """Written out with loops: the 3x3 kernel comes from the transformed 5x5 one."""
    torch.manual_seed(0)
    depthwise = ElasticDepthwise(4, (3, 5, 7), 1)
    with torch.no_grad():
        depthwise.matrix_7_to_5.normal_()
        depthwise.matrix_5_to_3.normal_()
    for channel in range(3):
        largest = depthwise.weight[channel, 0]
        five = (depthwise.matrix_7_to_5 @ largest[1:6, 1:6].reshape(25)).view(5, 5)
        three = (depthwise.matrix_5_to_3 @ five[1:4, 1:4].reshape(9)).view(3, 3)
        torch.testing.assert_close(depthwise.kernel(5, 3)[channel, 0], five)
        torch.testing.assert_close(depthwise.kernel(3, 3)[channel, 0], three)


@pytest.mark.parametrize("name", SPACES[:1] + SPACES[2:])
def test_sorting_channels_keeps_the_largest_network(name: str) -> None:
    supernet = made(name).eval()
    space = supernet.space
    x = torch.randn(3, *space.input_shape, generator=torch.Generator().manual_seed(3))
    for kernel in ("k5", "k3"):
        supernet = made(name).eval()
        widest = space.architecture({choice.key: f"{kernel}e6" for choice in space.choices})
        narrow = space.architecture({choice.key: f"{kernel}e3" for choice in space.choices})
        outputs = []
        for _ in range(2):
            with torch.no_grad():
                supernet.activate(widest)
                whole = supernet(x)
                supernet.activate(narrow)
                outputs.append((whole, supernet(x)))
            supernet.sort_channels()
        torch.testing.assert_close(outputs[0][0], outputs[1][0], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(outputs[0][1], outputs[1][1], rtol=1e-3)
        for choice in elastic_layers(supernet):
            importance = choice.whole.project.weight.abs().sum((0, 2, 3))
            assert (importance.diff() <= 0).all()


def test_weights_are_stored_once() -> None:
    supernet = made()
    state = supernet.state_dict()
    addresses = [value.data_ptr() for value in state.values() if value.numel() > 1]
    assert len(set(addresses)) == len(addresses)
    assert not [name for name in state if "candidates" in name]
    other = spaces.get(TINY).supernet(7)
    other.load_state_dict(load(save({name: value.contiguous() for name, value in state.items()})))
    x = torch.randn(2, *supernet.space.input_shape)
    for network in (supernet, other):
        network.eval().activate(supernet.space.sample(np.random.default_rng(0)))
    with torch.no_grad():
        assert torch.equal(supernet(x), other(x))
    names = [name for name, _ in supernet.named_parameters()]
    assert sorted(names) == sorted(name for name, _ in state.items() if name in set(names))


def test_a_supernet_is_as_large_as_its_largest_network() -> None:
    """But for the kernel matrices; with weights for every candidate it would be several times
    that.
    """
    space = spaces.get(TINY)
    supernet = space.supernet()
    largest = space.network(space.architecture({choice.key: "k7e6" for choice in space.choices}))
    matrices = sum(
        25**2 + 9**2 for part in supernet.modules() if isinstance(part, ElasticDepthwise)
    )
    count = sum(value.numel() for value in supernet.parameters())
    assert count == sum(value.numel() for value in largest.parameters()) + matrices


def test_reduced_channels_are_the_operators() -> None:
    for inputs, expansion in ((8, 3), (16, 6), (40, 4), (24, 3)):
        block = Block(
            "mbconv", (inputs, 8, 8), (16, 8, 8), kernel=3, expansion=expansion, stride=1, se=True
        )
        layers, _ = MBConvOperator().branches(block)["main"]
        reduced = [layer.reduced for layer in layers if hasattr(layer, "reduced")]
        assert reduced == [reduced_channels(inputs * expansion)]
        assert ElasticSqueezeExcitation(inputs * expansion).reduce.out_channels == reduced[0]


def test_blocks_of_another_shape_are_refused() -> None:
    one = Block("mbconv", (8, 8, 8), (16, 8, 8), kernel=3, expansion=3, stride=1)
    other = Block("mbconv", (8, 8, 8), (24, 8, 8), kernel=5, expansion=3, stride=1)
    with pytest.raises(InvalidBlock, match="of one shape"):
        ElasticMBConv([one, other])


def test_other_supernets_are_not_elastic() -> None:
    assert elastic_of(spaces.get("spos-tiny").supernet()) is None
    assert elastic_of(made(SPACES[1])) is not None
