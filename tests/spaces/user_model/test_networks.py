"""Networks and supernets of a user's model."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import spaces
from spaces import LayerChoice, Repeat
from spaces.errors import NoActiveCandidate
from tests.spaces.user_model.example_models import (
    EXAMPLE,
    MODELS,
    SmallResNet,
    plain_attention,
    seeded,
    space_of,
)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32))
def test_frozen_networks_compute_what_the_activated_model_does(name: str, seed: int) -> None:
    space, rng = space_of(name), np.random.default_rng(seed)
    codes = space.sample(rng, 2)
    codes = np.concatenate(
        [codes, space.mutate(codes, rng, 0.5), space.crossover(codes, codes[::-1], rng)]
    )
    supernet = space.supernet().eval()
    for architecture in space.decode(codes):
        assert space.decode(space.encode([architecture])) == [architecture]
        network = space.network(architecture).eval()
        supernet.activate(architecture)
        with FlopCounterMode(display=False) as counter, plain_attention(), torch.no_grad():
            output = network(EXAMPLE[:1])
            assert torch.equal(output, supernet(EXAMPLE[:1]))
        assert counter.get_total_flops() == 4 * space.macs(architecture)
        assert sum(value.numel() for value in network.parameters()) == space.params(architecture)
        assert not any(isinstance(module, LayerChoice | Repeat) for module in network.modules())


@pytest.mark.parametrize("name", MODELS)
def test_the_model_keeps_its_state(name: str) -> None:
    model = seeded(MODELS[name]).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    space = spaces.from_model(model, EXAMPLE)
    architecture = space.sample(np.random.default_rng(0))
    network = space.network(architecture, generator=torch.Generator().manual_seed(1))
    space.supernet(generator=torch.Generator().manual_seed(1))
    kept, fresh = space.network(architecture), network.state_dict()
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training
    assert kept.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert any(not torch.equal(value, fresh[key]) for key, value in kept.state_dict().items())
    assert all(not module._forward_hooks for module in [*kept.modules(), *model.modules()])


def test_frozen_networks_keep_the_weights_of_the_chosen_branches() -> None:
    model = SmallResNet()
    space = spaces.from_model(model, EXAMPLE)
    frozen = space.freeze(space.architecture([1, 0, 2]))
    assert isinstance(frozen, SmallResNet)
    chosen = model.blocks[0].conv1["k5"].weight  # type: ignore[index, union-attr]
    assert torch.equal(frozen.blocks[0].conv1.weight, chosen)  # type: ignore[union-attr, arg-type]
    assert isinstance(frozen.blocks[2].conv1, nn.Sequential)


@pytest.mark.parametrize("name", MODELS)
def test_training_through_the_supernet_and_frozen(name: str) -> None:
    space = space_of(name)
    labels = torch.tensor([1, 2])
    architecture = space.sample(np.random.default_rng(3))
    supernet = space.supernet().train()
    supernet.activate(architecture)
    for model in (supernet, space.network(architecture).train()):
        optimiser = torch.optim.SGD(model.parameters(), 0.05)
        losses = []
        for _ in range(4):
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(EXAMPLE), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]


def test_supernets_are_copied_with_what_is_active() -> None:
    space = space_of("nested")
    supernet = space.supernet().eval()
    with pytest.raises(NoActiveCandidate, match="1: no candidate is active"):
        supernet(EXAMPLE)
    supernet.activate([1, 1, 0])
    again = copy.deepcopy(supernet)
    assert torch.equal(again(EXAMPLE), supernet(EXAMPLE))
    assert [type(module).__name__ for module in supernet.path()] == ["Conv2d", "Conv2d", "Linear"]


def test_weights_of_its_own_are_on_the_path() -> None:
    supernet = space_of("attention").supernet()
    supernet.activate([0, 0, 0])
    sizes = [sum(value.numel() for value in module.parameters()) for module in supernet.path()]
    assert sum(sizes) == space_of("attention").params(space_of("attention").architecture([0, 0, 0]))
    assert sizes[-1] == 128
