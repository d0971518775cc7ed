"""Search spaces of models that nobody here designed for it."""

import copy
import functools
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import spaces
from spaces import Architecture, InputChoice, LayerChoice, ModelSpace, Repeat, ValueChoice, registry
from spaces.chains.additive_space import AdditiveSpace
from spaces.errors import InvalidArchitecture, InvalidParameter, NoActiveCandidate, UnknownName
from spaces.space import SearchSpace
from spaces.testing import SpaceContract


class Residual(nn.Module):
    """A basic block of a ResNet with a choice of its first convolution; its ReLU is called
    twice.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, key: str | None = None):
        super().__init__()
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs)
        self.conv1 = LayerChoice(
            {
                "k3": nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                "k5": nn.Conv2d(inputs, outputs, 5, stride, 2, bias=False),
                "separable": nn.Sequential(
                    depthwise, nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 1)
                ),
            },
            key=key,
        )
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.down = (
            nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.down is None else self.down(x)
        result: Tensor = self.relu(y)
        return result


class SmallResNet(nn.Module):
    """Three blocks, whose attribute `blocks` is the user's own."""

    def __init__(self, key: str | None = None) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        )
        self.blocks = nn.ModuleList([Residual(4, 4, 1, key), Residual(4, 8, 2), Residual(8, 8, 1)])
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.head(x.mean((2, 3)))
        return result


class Strides(nn.Module):
    """The stride of each layer is a choice, so that costs depend on the choices before."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(
                LayerChoice([nn.Conv2d(3 if not i else 4, 4, 3, stride, 1) for stride in (1, 2)])
                for i in range(3)
            )
        )
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.layers(x).mean((2, 3)))
        return result


class Skips(nn.Module):
    """Skip connections in NNI's manner."""

    def __init__(self, n_chosen: int | None, reduction: Any = "sum") -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3 if not i else 4, 4, 3, 1, 1) for i in range(3)])
        self.skip = InputChoice(n_candidates=3, n_chosen=n_chosen, reduction=reduction)
        self.after = LayerChoice([nn.LazyConv2d(4, 1), nn.MaxPool2d(3, 1, 1)])
        self.head = nn.LazyLinear(10)

    def forward(self, x: Tensor) -> Tensor:
        features = []
        for conv in self.convs:
            x = conv(x).relu()
            features.append(x)
        skip = self.skip(features)
        if skip is not None:
            x = self.after(skip)
        result: Tensor = self.head(x.mean((2, 3)))
        return result


class Attention(nn.Module):
    """Weights of its own, products outside modules, values read in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.position = nn.Parameter(torch.zeros(1, 16, 8))
        self.qkv = nn.Linear(8, 24)
        self.heads = ValueChoice([1, 2, 4])
        self.rate = ValueChoice([0.0, 0.3])
        self.mix = LayerChoice(
            {"linear": nn.Linear(8, 8), "mlp": nn.Sequential(nn.Linear(8, 32), nn.Linear(32, 8))}
        )
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads(), -1)).permute(2, 0, 3, 1, 4)
        x = x + functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = functional.dropout(x + self.mix(x), self.rate(), self.training)
        result: Tensor = self.head(x.mean(1))
        return result


class Deep(nn.Module):
    """A depth, and choices in what is repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.stage = Repeat(lambda index: Residual(4, 4, 1), (1, 3))
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.stage(self.stem(x)).mean((2, 3)))
        return result


def nested() -> nn.Module:
    """A choice inside a candidate of another, in a Sequential."""
    inner = LayerChoice([nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 5, 1, 2)], key="inner")
    outer = LayerChoice(
        {
            "pool": nn.MaxPool2d(3, 1, 1),
            "conv": nn.Sequential(nn.ReLU(), inner),
            "skip": nn.Identity(),
        }
    )
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)]
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1), outer, LayerChoice([nn.ReLU(), nn.Tanh()]), *tail
    )


def shared() -> nn.Module:
    """Two layers that decide alike."""
    layers = [
        LayerChoice([nn.Conv2d(3, 3, size, 1, size // 2) for size in (1, 3)], key="kernel")
        for _ in range(2)
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(3 * 16 * 16, 10))


def lazily(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """With the lazy layers' shapes found."""

    def made() -> nn.Module:
        model = make()
        for module in model.modules():
            if isinstance(module, LayerChoice | InputChoice):
                module.activate(len(module.choice.candidates) - 1)
        model(EXAMPLE)
        for module in model.modules():
            if (
                isinstance(module, nn.modules.lazy.LazyModuleMixin)
                and module.has_uninitialized_params()
            ):
                module(torch.zeros(1, 4, 16, 16))
        return model

    return made


EXAMPLE = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
MODELS: dict[str, Callable[[], nn.Module]] = {
    "resnet": SmallResNet,
    "strides": Strides,
    "skips-1": lazily(lambda: Skips(1)),
    "skips-2": lazily(lambda: Skips(2, "mean")),
    "skips-any": lazily(lambda: Skips(None)),
    "attention": Attention,
    "deep": Deep,
    "nested": nested,
    "shared": shared,
}


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


@functools.cache
def space_of(name: str) -> ModelSpace:
    return spaces.from_model(seeded(MODELS[name]), EXAMPLE)


def all_spaces() -> dict[str, ModelSpace]:
    return {name: space_of(name) for name in MODELS}


def plain_attention() -> Any:
    """FlopCounterMode does not see the fused kernel of processors."""
    return sdpa_kernel(SDPBackend.MATH)


class TestContract(SpaceContract):
    """The contract of every space, of every model."""

    samples = 60
    builds = 2
    registered = False
    name: str

    @pytest.fixture(autouse=True, params=MODELS)
    def _of_model(self, request: pytest.FixtureRequest) -> Iterator[None]:
        self.name = request.param
        with plain_attention():
            yield

    def space(self) -> SearchSpace:
        return space_of(self.name)


# What the spaces are


def test_choices_are_in_the_order_of_module_paths() -> None:
    keys = {name: [choice.key for choice in space.choices] for name, space in all_spaces().items()}
    assert keys["resnet"] == ["blocks.0.conv1", "blocks.1.conv1", "blocks.2.conv1"]
    assert keys["attention"] == ["heads", "rate", "mix"]
    assert keys["deep"] == ["stage", *(f"stage.blocks.{index}.conv1" for index in range(3))]
    assert keys["nested"] == ["1", "inner", "2"]
    assert keys["shared"] == ["kernel"]
    assert space_of("deep").choices[0].candidates == ("1", "2", "3")
    assert space_of("skips-any").choices[0].candidates == (
        "none",
        "0",
        "1",
        "0+1",
        "2",
        "0+2",
        "1+2",
        "0+1+2",
    )


def test_spaces_know_what_kind_they_are() -> None:
    sizes = {name: space.size for name, space in all_spaces().items()}
    assert sizes == {
        "resnet": 27,
        "strides": 8,
        "skips-1": 6,
        "skips-2": 6,
        "skips-any": 16,
        "attention": 12,
        "deep": 3 + 9 + 27,
        "nested": (1 + 2 + 1) * 2,
        "shared": 2,
    }
    # Of skips-any the layer behind is only called where something is chosen.
    assert [name for name, space in all_spaces().items() if space.factors is None] == [
        "strides",
        "skips-any",
    ]
    assert [name for name, space in all_spaces().items() if space.irregular] == ["deep", "nested"]
    for space in all_spaces().values():
        assert space.additive is isinstance(space, AdditiveSpace)
        assert space.additive is (space.factors is not None and not space.irregular)
        assert (space.num_classes, space.input_shape) == (10, (3, 16, 16))
        assert all(space.sketch(space.decode(space.sample(np.random.default_rng(0), 1))[0]).boxes)


def test_names_come_from_the_class_unless_given() -> None:
    assert space_of("resnet").name == "model-smallresnet"
    assert spaces.from_model(nested(), EXAMPLE, name="mine").name == "mine"


def test_a_choice_that_is_not_taken_is_zero() -> None:
    space = space_of("nested")
    assert space.check(np.array([[0, 1, 1], [1, 1, 1], [2, 1, 0]])).tolist() == [
        [0, 0, 1],
        [1, 1, 1],
        [2, 0, 0],
    ]
    deep = space_of("deep").check(np.array([[0, 2, 2, 2], [1, 2, 2, 2]]))
    assert deep.tolist() == [[0, 2, 0, 0], [1, 2, 2, 0]]


def test_blocks_are_the_outermost_modules_without_choices() -> None:
    space = space_of("resnet")
    blocks = space.blocks(space.architecture([2, 0, 0]))
    operators = [block.key.partition("-")[0] for block in blocks]
    # The ReLU, called twice by each block, is none of its own.
    first = [
        "module sequential",
        "module sequential",
        "module batchnorm2d",
        "module conv2d",
        "module batchnorm2d",
    ]
    rest = ["module conv2d", "module batchnorm2d", "module conv2d", "module batchnorm2d"]
    assert operators == [*first, *rest, "module conv2d", *rest, "module linear"]
    assert blocks[0].key.endswith("3x16x16 -> 4x16x16")
    assert blocks[1].key.endswith("4x16x16 -> 4x16x16")
    assert (blocks[-1].macs, blocks[-1].params) == (80, 90)
    again = spaces.from_model(SmallResNet(), EXAMPLE)  # other weights, one configuration
    assert again.blocks(again.architecture([2, 0, 0])) == blocks


def test_keys_are_equal_in_every_process() -> None:
    code = """
import torch, spaces
from torch import nn
layers = [nn.Conv2d(3, 4, 3, padding=1), nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())]
choice = spaces.LayerChoice(layers)
space = spaces.from_model(nn.Sequential(choice, nn.Flatten()), torch.zeros(1, 3, 8, 8))
print(*space.all_blocks, sep="\\n")
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(spaces.__file__).parents[1],
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert [key.partition("-")[0] for key in runs[0].stdout.splitlines()] == [
        "module flatten",
        "module conv2d",
        "module sequential",
    ]


def test_what_is_computed_outside_modules_counts_too() -> None:
    space = space_of("attention")
    blocks = space.blocks(space.architecture({"heads": "2", "rate": "0.0", "mix": "linear"}))
    assert [block.operator for block in blocks] == ["module", "module", "module", "module", "own"]
    assert (blocks[-1].macs, blocks[-1].params) == (2 * 16 * 16 * 8, 16 * 8)


def test_where_costs_depend_on_each_other_all_is_run() -> None:
    space = space_of("strides")
    counts = [
        int(count) for count in space.macs(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]))
    ]
    layer = 4 * 4 * 9
    first = 3 * 4 * 9
    assert counts == [
        (first + 2 * layer) * 256 + 40,
        (first + 2 * layer) * 64 + 40,
        first * 64 + 2 * layer * 16 + 40,
        first * 64 + layer * 16 + layer * 4 + 40,
    ]
    assert (
        len(space.all_blocks) == 2 + 2 * 3 + 1
    )  # the first layer, others on three sizes, the head


def test_graphs_follow_the_data() -> None:
    space = space_of("nested")
    graph = space.graph(space.architecture([1, 1, 0]))
    names = ["", *space.operations]
    assert [names[index] for index in graph.operation] == ["", "conv", "1", "0"]
    assert graph.position.tolist() == [0, 1, 2, 3]
    assert sorted(graph.edge_index.T.tolist()) == [[0, 2], [1, 3], [2, 1]]
    without = space.graph(space.architecture([2, 0, 1]))
    assert (without.position.tolist(), without.edge_index.T.tolist()) == (
        [0, 1, 3],
        [[0, 1], [1, 2]],
    )


def test_graphs_tell_which_inputs_are_taken() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = LayerChoice([nn.Conv2d(3, 3, 1), nn.Identity()])
            self.second = LayerChoice([nn.Conv2d(3, 3, 1), nn.Identity()])
            self.skip = InputChoice(2)

        def forward(self, x: Tensor) -> Tensor:
            taken = self.skip([self.first(x), self.second(x)])
            result: Tensor = (x if taken is None else taken).mean((2, 3))
            return result

    space = spaces.from_model(Branches(), EXAMPLE)
    assert space.factors is not None
    assert space.factors.edges is not None
    into = {
        candidate: sorted(
            edge[0] for edge in space.graph(architecture).edge_index.T.tolist() if edge[1] == 3
        )
        for candidate in space.choices[2].candidates
        for architecture in [space.architecture({"first": "1", "second": "1", "skip": candidate})]
    }
    assert into == {"none": [], "0": [1], "1": [2], "0+1": [1, 2]}


def test_values_are_where_they_are_used() -> None:
    space = space_of("attention")
    edges = space.graph(space.architecture([0, 1, 0])).edge_index.T.tolist()
    assert sorted(edges) == [[0, 1], [0, 2], [0, 3], [1, 3]]


# Networks


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


# Names, and what is refused


@pytest.fixture
def registered() -> Iterator[str]:
    with registry.SPACES.preserved():

        @spaces.register_space("my-resnet")
        def build(name: str) -> SearchSpace:
            return spaces.from_model(seeded(SmallResNet), EXAMPLE, name=name)

        yield "my-resnet"


def test_a_registered_space_is_like_any_other(registered: str) -> None:
    space = spaces.get(registered)
    architecture = space.sample(np.random.default_rng(0))
    assert isinstance(space, ModelSpace)
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert pickle.loads(pickle.dumps(space)) is space
    supernet = space.supernet().eval()
    supernet.activate(architecture)
    assert torch.equal(pickle.loads(pickle.dumps(supernet))(EXAMPLE), supernet(EXAMPLE))


def test_without_a_name_nothing_leaves_the_process() -> None:
    space = space_of("resnet")
    architecture = space.architecture([0, 1, 2])
    with pytest.raises(
        InvalidParameter, match=r"'model-smallresnet' is not registered.*@spaces.register_space"
    ):
        pickle.dumps(space)
    with pytest.raises(UnknownName, match="unknown space 'model-smallresnet'"):
        Architecture.from_json(architecture.to_json())
    assert space.architecture(architecture.to_dict()["choices"]) == architecture  # type: ignore[arg-type]
    assert copy.deepcopy(space) is space


def test_a_name_of_another_space_does_not_register() -> None:
    space = spaces.from_model(SmallResNet(), EXAMPLE, name="spos-tiny")
    with pytest.raises(InvalidParameter, match="'spos-tiny' is not registered"):
        pickle.dumps(space)


def test_models_of_one_class_differ_where_they_are_different() -> None:
    def make(size: int) -> ModelSpace:
        return spaces.from_model(
            nn.Sequential(
                LayerChoice([nn.Conv2d(3, size, 1), nn.Conv2d(3, size, 3)]), nn.Flatten()
            ),
            EXAMPLE,
        )

    assert make(2) == make(2)
    assert make(2) != make(3)
    assert len({make(2), make(2)}) == 1


def test_other_classes_are_refused() -> None:
    space = space_of("resnet")
    architecture = space.architecture([0, 0, 0])
    assert isinstance(space.network(architecture, num_classes=10), nn.Module)
    for build in (
        lambda: space.network(architecture, num_classes=3),
        lambda: space.supernet(num_classes=3),
    ):
        with pytest.raises(
            InvalidParameter,
            match="model-smallresnet has 10 classes, as its model was built, not 3",
        ):
            build()
    with pytest.raises(InvalidParameter, match="num_classes is 3, but the model's output has 10"):
        spaces.from_model(SmallResNet(), EXAMPLE, num_classes=3)


def test_models_that_cannot_be_searched_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="Linear has no LayerChoice"):
        spaces.from_model(nn.Linear(3, 3), EXAMPLE)
    with pytest.raises(InvalidParameter, match="at least one image"):
        spaces.from_model(SmallResNet(), EXAMPLE[:0])
    clash = nn.Sequential(
        LayerChoice([nn.Identity()], key="k"), LayerChoice([nn.Identity()] * 2, key="k")
    )
    with pytest.raises(
        InvalidParameter, match="the key 'k' is given to mutables with different candidates"
    ):
        spaces.from_model(clash, EXAMPLE)


@pytest.mark.parametrize("failing", [0, 1])
def test_an_architecture_that_fails_is_named(failing: int) -> None:
    convolutions = [nn.Conv2d(3, 5 if index == failing else 4, 1) for index in range(2)]
    layers = nn.Sequential(LayerChoice(convolutions), nn.Conv2d(4, 2, 1), nn.Flatten())
    with pytest.raises(
        InvalidArchitecture, match=rf"model-sequential \{{'0': '{failing}'\}}: the model fails"
    ):
        spaces.from_model(layers, EXAMPLE)
