"""Supernets and LayerChoice: one path is executed and no other is touched."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import spaces
from spaces import LayerChoice, SearchSpace, Supernet
from spaces.errors import InvalidArchitecture, NoActiveCandidate
from spaces.modules.network import ChainNetwork


@pytest.fixture(scope="module")
def tiny() -> SearchSpace:
    return spaces.get("spos-tiny")


@pytest.fixture
def supernet(tiny: SearchSpace) -> Supernet:
    return tiny.supernet()


IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_forward_is_that_of_the_path(tiny: SearchSpace, supernet: Supernet) -> None:
    supernet.eval()
    for architecture in tiny.decode(tiny.sample(np.random.default_rng(0), 4)):
        supernet.activate(architecture)
        x = IMAGES
        for module in supernet.path():
            x = module(x)
        assert torch.equal(supernet(IMAGES), x)
        codes = tiny.encode([architecture])[0]
        assert [choice.active for choice in supernet.choices] == codes.tolist()
        chosen = [
            layer.candidates[code] for layer, code in zip(supernet.choices, codes, strict=True)
        ]
        assert [
            module for module in supernet.path() if any(module is one for one in chosen)
        ] == chosen
        assert len(supernet.path()) == len(tiny.blocks(architecture))


def test_choices_are_those_of_the_space(tiny: SearchSpace, supernet: Supernet) -> None:
    assert [layer.choice for layer in supernet.choices] == list(tiny.choices)
    assert [layer.key for layer in supernet.choices] == [choice.key for choice in tiny.choices]


@pytest.mark.parametrize("kind", ["list", "tuple", "array", "tensor"])
def test_codes_activate_as_architectures_do(
    tiny: SearchSpace, supernet: Supernet, kind: str
) -> None:
    codes = [3, 2, 1, 0, 1, 2]
    kinds: dict[str, Any] = {
        "list": list,
        "tuple": tuple,
        "array": np.array,
        "tensor": torch.tensor,
    }
    supernet.activate(kinds[kind](codes))
    by_codes = supernet.path()
    supernet.activate(tiny.architecture(codes))
    assert all(one is other for one, other in zip(by_codes, supernet.path(), strict=True))


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32), training=st.booleans())
def test_path_copied_into_a_network_computes_the_same(seed: int, training: bool) -> None:
    space = spaces.get("spos-tiny")
    rng = np.random.default_rng(seed)
    architecture = space.sample(rng)
    supernet = space.supernet(generator=torch.Generator().manual_seed(seed % 1000))
    supernet.activate(architecture)
    supernet.train()(IMAGES)  # so that the statistics are not those of the beginning
    network = space.network(architecture)
    assert isinstance(network, ChainNetwork)
    copy_path(supernet, network)
    for module in (supernet, network):
        module.train(training)
        for part in module.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
    torch.testing.assert_close(network(IMAGES), supernet(IMAGES))


def copy_path(supernet: Supernet, network: ChainNetwork) -> None:
    """Put the active path's weights into a network, whose normalisation then neither scales nor
    shifts.
    """
    for source, target in zip(supernet.path(), network.blocks, strict=True):
        missing, unexpected = target.load_state_dict(source.state_dict(), strict=False)
        assert unexpected == []
        norms = {name for name, part in target.named_modules() if isinstance(part, nn.BatchNorm2d)}
        assert set(missing) == {f"{name}.{field}" for name in norms for field in ("weight", "bias")}
        for part in target.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.ones_(part.weight)
                nn.init.zeros_(part.bias)


def test_candidates_that_were_not_sampled_are_not_touched(supernet: Supernet) -> None:
    before = {name: value.clone() for name, value in supernet.named_buffers()}
    supernet.activate([0, 1, 2, 3, 0, 1])
    supernet.train()(IMAGES).square().sum().backward()
    path = supernet.path()
    active = {id(value) for module in path for value in module.parameters()}
    assert 0 < len(active) < len(list(supernet.parameters()))
    for name, value in supernet.named_parameters():
        assert (value.grad is not None) is (id(value) in active), name
    buffers = {id(value) for module in path for value in module.buffers()}
    for name, value in supernet.named_buffers():
        assert torch.equal(value, before[name]) is (id(value) not in buffers), name


def test_normalisation_learns_nothing_in_a_supernet(tiny: SearchSpace, supernet: Supernet) -> None:
    def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
        return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]

    assert not any(norm.affine for norm in norms(supernet))
    assert all(norm.track_running_stats for norm in norms(supernet))
    assert all(norm.affine for norm in norms(tiny.network(tiny.architecture([0] * 6))))
    assert all(value.ndim > 1 for value in supernet.parameters())


def test_supernet_holds_every_candidate_once(tiny: SearchSpace, supernet: Supernet) -> None:
    assert isinstance(tiny, spaces.ChainSpace)
    kernels = 0
    for layer in tiny.choice_layers:
        for blocks in layer.candidates.values():
            norms = sum(value.numel() for block in blocks for value in batch_norms(tiny, block))
            kernels += sum(block.params for block in blocks) - norms
    for block in tiny.fixed_blocks:
        kernels += block.params - sum(value.numel() for value in batch_norms(tiny, block))
    assert sum(value.numel() for value in supernet.parameters()) == kernels


def batch_norms(space: SearchSpace, block: spaces.Block) -> list[torch.Tensor]:
    from spaces.modules.blocks import build

    return [value for value in build(block).parameters() if value.ndim == 1]


def test_running_before_a_choice_is_an_error(supernet: Supernet) -> None:
    with pytest.raises(
        NoActiveCandidate, match=r"layer_1: no candidate is active; call activate\(\) first"
    ):
        supernet(IMAGES)
    supernet.choices[0].activate(0)
    with pytest.raises(NoActiveCandidate, match="layer_2"):
        supernet(IMAGES)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([0, 0, 0, 0, 0, 4], "layer_6: code 4 is out of range; there are 4 candidates"),
        ([0, 0, 0, 0, 0, -1], "layer_6: code -1 is out of range; there are 4 candidates"),
        ([0, 0], "codes of spos-tiny have the shape [n, 6], not [1, 2]"),
        ([0] * 7, "codes of spos-tiny have the shape [n, 6], not [1, 7]"),
        (
            spaces.get("spos").architecture([0] * 20),
            "an architecture of spos was given to spos-tiny",
        ),
    ],
)
def test_wrong_architectures_leave_the_active_one(
    supernet: Supernet, given: Any, fault: str
) -> None:
    supernet.activate([1] * 6)
    with pytest.raises(InvalidArchitecture) as caught:
        supernet.activate(given)
    assert str(caught.value) == fault
    assert [choice.active for choice in supernet.choices] == [1] * 6


# LayerChoice in a model of one's own


def test_layer_choice_runs_the_active_candidate() -> None:
    layer = LayerChoice({"twice": Scale(2), "thrice": Scale(3)}, key="factor")
    x = torch.ones(2)
    assert layer.active is None
    layer.activate("thrice")
    assert (layer.active, layer(x).tolist()) == (1, [3, 3])
    layer.activate(0)
    assert (layer.active, layer(x).tolist()) == (0, [2, 2])
    assert layer.choice == spaces.Choice("factor", ("twice", "thrice"))
    assert "key='factor'" in repr(layer)


def test_layer_choice_of_a_list_counts_its_candidates() -> None:
    layer = LayerChoice([Scale(2), Scale(3)], key="factor")
    layer.activate("1")
    assert layer.active == 1
    assert layer.choice.candidates == ("0", "1")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("four", "factor: unknown candidate 'four'; available: twice, thrice"),
        (2, "factor: code 2 is out of range; there are 2 candidates"),
        (-1, "factor: code -1 is out of range; there are 2 candidates"),
    ],
)
def test_layer_choice_refuses_unknown_candidates(given: int | str, fault: str) -> None:
    layer = LayerChoice({"twice": Scale(2), "thrice": Scale(3)}, key="factor")
    layer.activate("twice")
    with pytest.raises(InvalidArchitecture) as caught:
        layer.activate(given)
    assert str(caught.value) == fault
    assert layer.active == 0


def test_layer_choice_without_a_choice_names_its_key() -> None:
    with pytest.raises(NoActiveCandidate, match=r"^factor: no candidate is active"):
        LayerChoice([nn.Identity()], key="factor")(torch.ones(1))


class Scale(nn.Module):
    """Multiplies by a number."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor
