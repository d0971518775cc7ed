"""Networks: what they execute is what the space says, and how their weights begin."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import spaces
from spaces import Architecture, SearchSpace
from spaces.modules.network import ChainNetwork


def built(space: SearchSpace, architecture: Architecture) -> ChainNetwork:
    network = space.network(architecture)
    assert isinstance(network, ChainNetwork)
    return network


def counted_macs(space: SearchSpace, architecture: Architecture, device: str = "meta") -> float:
    """Half of what torch's counter sees in a forward pass (on the meta device nothing is
    computed).
    """
    network = built(space, architecture).to(device).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *space.input_shape, device=device))
    return counter.get_total_flops() / 2


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([32, 32, 16, 33, 45]))
def test_macs_are_those_that_torch_counts(seed: int, size: int) -> None:
    space = spaces.get("spos-tiny", input_size=size)
    architecture = space.sample(np.random.default_rng(seed))
    assert counted_macs(space, architecture) == space.macs(architecture)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["spos(input_size=64)", "spos(input_size=97)"])
def test_macs_of_the_large_space_at_small_sizes(name: str, seed: int) -> None:
    space = spaces.get(name)
    architecture = space.sample(np.random.default_rng(seed))
    assert counted_macs(space, architecture) == space.macs(architecture)


def test_macs_of_the_published_architecture_as_executed() -> None:
    space = spaces.get("spos")
    architecture = space.architecture([2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3])
    assert counted_macs(space, architecture, "cpu") == 322918720


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([32, 17]))
def test_network_executes_its_blocks(seed: int, size: int) -> None:
    space = spaces.get("spos-tiny", input_size=size)
    architecture = space.sample(np.random.default_rng(seed))
    network = built(space, architecture).eval()
    seen: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []

    def hook(index: int) -> None:
        def record(_: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
            seen.append((index, tuple(given[0].shape[1:]), tuple(result.shape[1:])))

        network.blocks[index].register_forward_hook(record)

    for index in range(len(network.blocks)):
        hook(index)
    network(torch.zeros(2, *space.input_shape))
    blocks = space.blocks(architecture)
    assert seen == [(index, block.input, block.output) for index, block in enumerate(blocks)]
    parameters = [sum(value.numel() for value in module.parameters()) for module in network.blocks]
    assert parameters == [block.params for block in blocks]
    assert [name for name, _ in network.named_children()] == ["blocks"]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10)
def test_parameters_are_those_of_the_network(seed: int) -> None:
    space = spaces.get("spos-tiny")
    architecture = space.sample(np.random.default_rng(seed))
    assert space.params(architecture) == sum(
        value.numel() for value in built(space, architecture).parameters()
    )


# Weights


@pytest.fixture
def tiny() -> SearchSpace:
    return spaces.get("spos-tiny")


def weights(module: nn.Module) -> Tensor:
    return torch.cat([value.detach().reshape(-1) for value in module.parameters()])


def test_building_leaves_the_global_generator(tiny: SearchSpace) -> None:
    architecture = tiny.architecture([0, 1, 2, 3, 0, 1])
    state = torch.get_rng_state()
    tiny.network(architecture)
    tiny.network(architecture, generator=torch.Generator().manual_seed(3))
    tiny.supernet()
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_come_from_the_generator(tiny: SearchSpace) -> None:
    architecture = tiny.architecture([0, 1, 2, 3, 0, 1])

    def build(kind: str, seed: int | None) -> Tensor:
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        if kind == "network":
            return weights(tiny.network(architecture, generator=generator))
        return weights(tiny.supernet(generator=generator))

    for kind in ("network", "supernet"):
        assert torch.equal(build(kind, 5), build(kind, 5))
        assert not torch.equal(build(kind, 5), build(kind, 6))
        assert torch.equal(build(kind, None), build(kind, 0))
        assert build(kind, 5).isfinite().all()
    generator = torch.Generator().manual_seed(5)
    tiny.network(architecture, generator=generator)
    assert not torch.equal(
        weights(tiny.network(architecture, generator=generator)), build("network", 5)
    )


def test_weights_begin_as_in_the_release() -> None:
    space = spaces.get("spos")
    network = built(space, space.architecture([0] * 20))
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert convolutions[0].weight.std().item() == pytest.approx(0.01, rel=0.2)
    for module in convolutions[1:]:
        assert module.bias is None
        assert module.weight.std().item() == pytest.approx(1 / module.weight.shape[1], rel=0.25)
        assert (
            abs(module.weight.mean().item())
            < 6 / module.weight.shape[1] / module.weight.numel() ** 0.5
        )
    (linear,) = (module for module in network.modules() if isinstance(module, nn.Linear))
    assert linear.bias is None
    assert linear.weight.std().item() == pytest.approx(0.01, rel=0.01)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 1 + 3 * 20 + 2 * 4 + 1
    for norm in norms:
        assert norm.affine
        assert (norm.weight == 1).all()
        assert torch.allclose(norm.bias, torch.tensor(1e-4))


def test_statistics_begin_fresh(tiny: SearchSpace) -> None:
    for module in (tiny.network(tiny.architecture([3] * 6)), tiny.supernet()):
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        assert len(norms) > 20
        for norm in norms:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert norm.num_batches_tracked is not None
            assert (norm.running_mean == 0).all()
            assert (norm.running_var == 1).all()
            assert norm.num_batches_tracked == 0


def test_head_drops_a_tenth_while_training(tiny: SearchSpace) -> None:
    network = tiny.network(tiny.architecture([0] * 6))
    assert [part.p for part in network.modules() if isinstance(part, nn.Dropout)] == [0.1]
    assert next(
        name for name, part in network.named_modules() if isinstance(part, nn.Dropout)
    ).startswith("blocks.8.")
