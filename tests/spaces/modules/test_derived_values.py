"""Values derived from ValueChoices, and layers whose sizes they are."""

import copy
import itertools
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.registry import make, preset
from oneshot.data.images import ImageSplit
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.retraining.supernet_weights import inherit
from oneshot.training.recipe import Recipe
from spaces import Repeat, ValueChoice, derived, maximum, minimum
from spaces.errors import InvalidParameter
from spaces.user_model.freeze import freeze

FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b + 1,
    "difference": lambda a, b: 10 - a - b,
    "product": lambda a, b: 2 * a * b,
    "quotient": lambda a, b: 1 / a + b / 4,
    "whole quotient": lambda a, b: a // b * 8 + 9 // a,
    "power": lambda a, b: a**2 - b,
    "negative": lambda a, b: -a + abs(b - 20),
    "rounded": lambda a, b: round(a / b),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_derived_value_is_the_formula_of_the_decisions(name: str) -> None:
    formula = FORMULAS[name]
    first, second = ValueChoice([1, 2, 5], key="first"), ValueChoice([3, 4.5], key="second")
    value = formula(first, second)
    for a, b in itertools.product(range(3), range(2)):
        first.activate(a)
        second.activate(b)
        assert value() == formula(first(), second())


def test_functions_take_several_values() -> None:
    width = ValueChoice([8, 24, 64], key="width")
    limited = minimum(maximum(width // 4, 4), 12)
    rounded = derived(math.ceil, width * 0.3)
    found = []
    for code in range(3):
        width.activate(code)
        found.append((limited(), rounded()))
    assert found == [(4, 3), (6, 8), (12, 20)]


class Residual(nn.Module):
    """An inverted residual block whose widths and kernel are decided later."""

    def __init__(self, width: Any, hidden: Any, kernel: Any):
        super().__init__()
        self.expand = spaces.Conv2d(width, hidden, 1, bias=False)
        self.norm = spaces.BatchNorm2d(hidden)
        self.depthwise = spaces.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden)
        self.project = spaces.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.project(self.depthwise(torch.relu(self.norm(self.expand(x)))))


class Scaled(nn.Module):
    """A network with shared widths; the blocks of its Repeat decide their kernels alone."""

    def __init__(self) -> None:
        super().__init__()
        base = ValueChoice([4, 8], key="base")
        hidden = ValueChoice([0.5, 2], key="ratio") * base
        self.stem = spaces.Conv2d(3, base, 3, stride=2, padding=1)
        self.stage = Repeat(
            lambda index: Residual(base, hidden, ValueChoice([1, 3], key=f"kernel_{index}")),
            (1, 2),
            key="depth",
        )
        self.head = spaces.Linear(base, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stage(self.stem(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def space() -> spaces.ModelSpace:
    torch.manual_seed(0)
    return spaces.from_model(Scaled(), torch.zeros(1, 3, 8, 8))


def test_choices_are_the_values_that_others_follow_from(space: spaces.ModelSpace) -> None:
    assert {choice.key for choice in space.choices} == {
        "base",
        "ratio",
        "depth",
        "kernel_0",
        "kernel_1",
    }
    # With depth 1 the second kernel has no effect: 2 * 2 * (2 + 2 * 2).
    assert space.size == 24


def test_counts_are_those_of_the_frozen_network(space: spaces.ModelSpace) -> None:
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    supernet = space.supernet().eval()
    params = set()
    for architecture in space.enumerate():
        network = space.freeze(architecture).eval()
        count = sum(value.numel() for value in network.parameters())
        assert space.params(architecture) == count
        params.add(count)

        with FlopCounterMode(display=False) as counter, torch.no_grad():
            output = network(x[:1])
        assert counter.get_total_flops() == 2 * space.macs(architecture)
        supernet.activate(architecture)
        with torch.no_grad():
            torch.testing.assert_close(supernet(x)[:1], output)
    assert len(params) > 10


def test_frozen_layers_have_numbers_as_sizes(space: spaces.ModelSpace) -> None:
    choices = {"base": "4", "ratio": "2", "depth": "1", "kernel_0": "3", "kernel_1": "1"}
    network: Any = space.freeze(space.architecture(choices))
    block = network.stage[0]
    assert block.depthwise.weight.shape == (8, 1, 3, 3)
    assert (block.depthwise.groups, block.depthwise.padding) == (8, (1, 1))
    assert (network.stem.out_channels, network.head.in_features) == (4, 4)
    assert (block.norm.num_features, block.norm.running_mean.shape) == (8, (8,))
    assert not any(isinstance(module, ValueChoice) for module in network.modules())
    assert set(network.state_dict()) >= {"stem.weight", "stem.bias", "head.weight"}
    # The frozen network runs without any decision, also as a copy or from a file.
    x = torch.randn(1, 3, 8, 8)
    again = pickle.loads(pickle.dumps(copy.deepcopy(network).eval()))
    with torch.no_grad():
        assert torch.equal(again(x), network.eval()(x))


def test_networks_inherit_the_first_weights_of_a_supernet(space: spaces.ModelSpace) -> None:
    supernet = space.supernet(generator=torch.Generator().manual_seed(1)).eval()
    architecture = next(iter(space.enumerate()))
    network = space.network(architecture, generator=torch.Generator().manual_seed(2)).eval()
    inherit(network, supernet, architecture)
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(network(x), supernet(x))


def test_single_paths_train_the_supernet(space: spaces.ModelSpace) -> None:
    supernet = space.supernet(generator=torch.Generator().manual_seed(1)).train()
    optimizer = torch.optim.SGD(supernet.parameters(), 0.05)
    x = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(16) % 5
    losses = []
    architectures = list(space.enumerate())
    for step in range(60):
        supernet.activate(architectures[step % 3])
        loss = nn.functional.cross_entropy(supernet(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < sum(losses[:3])


def test_an_algorithm_that_mixes_candidates_is_refused() -> None:
    model = Scaled()
    mutator = ArchitectureMutator(model)
    mutator.reset()
    with pytest.raises(
        InvalidParameter, match="out_channels of a Conv2d: a size needs one decision"
    ):
        model(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("name", ["darts", "gdas", "snas"])
def test_searches_by_mixtures_are_refused_before_they_begin(name: str) -> None:
    held_out = ImageSplit.from_tensors(torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=torch.long))
    setting = Setting(Scaled(), Recipe(epochs=1), held_out, images=4)
    with pytest.raises(InvalidOption, match="need one decision"):
        make(name, setting, preset(name, {}).options)


def test_constant_sizes_are_torchs_layers() -> None:
    torch.manual_seed(0)
    sized: Any = spaces.Conv2d(4, 6, 3, padding=1, groups=2)
    plain: Any = nn.Conv2d(4, 6, 3, padding=1, groups=2)
    plain.load_state_dict(sized.state_dict())
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(sized(x), plain(x))
    assert torch.equal(freeze(nn.Sequential(sized))(x), plain(x))


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda value: spaces.Linear(3, value * 0.3), r"out_features must be a whole number.*2\.4"),
        (lambda value: spaces.Linear(3, value - 8), "at least 1 with all decisions, not 0"),
        (lambda value: spaces.BatchNorm2d(8 / (value - 8)), "no value for the decisions"),
        (
            lambda value: spaces.Conv2d(value, value, 3, groups=2),
            "must be 1 or the channels of input and output, not 2 with 8 and 8",
        ),
        (lambda value: spaces.Conv2d(3, "8", 3), "out_channels must be a whole number.*'8'"),
    ],
)
def test_sizes_that_are_none_are_named(build: Callable[[Any], Any], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        build(ValueChoice([8, 16], key="width"))


def test_too_many_combinations_are_refused() -> None:
    product: Any = ValueChoice(range(1, 60), key="a")
    for key in "bcd":
        product = product * ValueChoice(range(1, 60), key=key)
    with pytest.raises(InvalidParameter, match="combinations of values are too many"):
        spaces.Linear(product, 4)


def test_blocks_and_graphs_follow_the_sizes(space: spaces.ModelSpace) -> None:
    keys, counts = space.block_counts(space.codes(list(space.enumerate())))
    macs = [space.all_blocks[key].macs for key in keys]
    assert (counts @ macs).tolist() == [space.macs(each) for each in space.enumerate()]
    graph = space.graph(next(iter(space.enumerate())))
    assert graph.num_nodes > 0
