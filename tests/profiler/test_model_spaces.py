"""Tables of spaces that a user's own model is."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from profiler import Conditions, make_backend
from profiler.backends.hooked import HookedRunner
from profiler.backends.torch_eager import TorchEager
from profiler.building.builder import Settings, build
from spaces import LayerChoice
from spaces.space import SearchSpace
from tables.lookup_table import LookupTable


class Ticks(HookedRunner):
    """Its clock goes on by one at every look."""

    clock: Any

    def _mark(self) -> Any:
        return next(self.clock) * 1_000_000


def ticks(network: nn.Module, blocks: list[nn.Module]) -> list[float]:
    runner = Ticks(network, blocks, torch.zeros(1, 4))
    runner.clock = itertools.count()
    return runner.blocks()


def test_a_block_has_its_own_time_without_that_of_blocks_inside_it() -> None:
    inner, other = nn.Linear(4, 4), nn.Linear(4, 4)
    outer = nn.Sequential(inner, nn.ReLU(), other)
    # Looks: outer 0, inner 1 and 2, other 3 and 4, outer 5.
    assert ticks(outer, [inner, other, outer]) == [1, 1, 3]


def test_calls_of_one_module_go_to_its_blocks_in_turn() -> None:
    shared, once = nn.Linear(4, 4), nn.Linear(4, 4)

    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = shared(once(shared(x)) + shared(x))
            return result

    assert ticks(Twice(), [once, shared]) == [1, 3]
    assert ticks(Twice(), [shared, once, shared]) == [1, 1, 2]
    assert ticks(Twice(), [shared, shared, shared, once, nn.ReLU()]) == [1, 1, 1, 1, 0]


class Model(nn.Module):
    """Two choices, one of them twice in one model's path, and weights outside any module."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.first = spaces.LayerChoice(
            {"small": nn.Conv2d(8, 8, 1), "large": nn.Conv2d(8, 8, 7, 1, 3), "none": nn.Identity()},
            key="first",
        )
        self.second = spaces.LayerChoice(
            {"a": nn.Conv2d(8, 8, 3, 1, 1), "b": nn.AvgPool2d(3, 1, 1)}, key="second"
        )
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.first(x) * self.scale + x
        result: Tensor = self.head(self.second(x).mean((2, 3)))
        return result


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return spaces.from_model(Model(), torch.zeros(1, 3, 32, 32), name="mine")


def test_every_block_of_a_model_is_timed(space: SearchSpace) -> None:
    architecture = space.architecture({"first": "large", "second": "b"})
    runner = TorchEager("cpu").network_runner(space, architecture)
    times = np.median([runner.blocks() for _ in range(9)], axis=0)
    assert len(times) == len(space.blocks(architecture))
    assert (times > 0).all()


def test_a_table_of_a_model_predicts_its_networks_after_a_round_trip(
    space: SearchSpace, tmp_path: Path
) -> None:
    settings = Settings(budget_s=1.0, fewest_networks=20)
    table = build(
        space,
        TorchEager("cpu"),
        settings,
        name="mine",
        device={"kind": "cpu", "processor": "this"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
    )
    table.save(tmp_path / "table.json")
    read = LookupTable.read(tmp_path / "table.json")
    assert set(read.blocks) == set(space.all_blocks)
    codes = np.concatenate(list(space.enumerate_codes()))
    assert np.array_equal(read.cost_model(space, "macs").estimate(codes), space.macs(codes))
    estimate = read.cost_model(space, "latency_ms").estimate(codes)
    large, none = (
        codes[:, 0] == space.choices[0].candidates.index(name) for name in ("large", "none")
    )
    assert estimate[large].min() > estimate[none].max()
    assert all(cost.activation_bytes is None for cost in read.blocks.values())


class Tokens(nn.Module):
    """A model of a text: integers are its input."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.mix = LayerChoice(
            {
                "linear": nn.Linear(16, 16),
                "two": nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 16)),
            }
        )
        self.head = nn.Linear(16, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.head(self.mix(self.embedding(tokens)).mean(1))
        return result


@pytest.mark.parametrize(
    ("backend_name", "batch", "precision"),
    [("torch", 1, "fp32"), ("torch", 4, "bf16"), ("onnxruntime", 2, "fp32")],
)
def test_models_of_tokens_are_measured(backend_name: str, batch: int, precision: str) -> None:
    space = spaces.from_model(Tokens(), torch.randint(100, (1, 12)), name="tokens")
    backend = make_backend(backend_name, Conditions("cpu", batch, precision))
    for architecture in space.enumerate():
        runner = backend.network_runner(space, architecture)
        assert runner.whole() > 0
        if backend.times_blocks:
            assert len(runner.blocks()) == len(space.blocks(architecture))


def test_random_tokens_are_tokens_of_the_example() -> None:
    space = spaces.from_model(Tokens(), torch.tensor([[7, 42, 99]]), name="tokens")
    architecture = space.architecture([0])
    tokens = space.random_input(architecture, 64, torch.Generator().manual_seed(0))
    assert (tokens.dtype, tokens.shape) == (torch.int64, (64, 3))
    assert set(tokens.unique().tolist()) == {7, 42, 99}


class TwoTowers(nn.Module):
    """Two inputs, the second of which one candidate of the gate ignores."""

    def __init__(self) -> None:
        super().__init__()
        self.query = LayerChoice({"narrow": nn.Linear(6, 8), "wide": wide(6, 512)}, key="query")
        self.gate = LayerChoice({"add": Add(), "first": First()}, key="gate")
        self.document = nn.Linear(10, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, query: Tensor, document: Tensor, mask: Tensor) -> Tensor:
        towers = self.query(query), self.document(document * ~mask)
        result: Tensor = self.head(self.gate(*towers))
        return result


def wide(inputs: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, 8))


class Add(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first + second


class First(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first


@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize(
    ("backend_name", "precision"),
    [("torch", "bf16"), ("onnxruntime", "fp32"), ("onnxruntime", "int8")],
)
def test_models_of_several_inputs_are_measured(
    backend_name: str, precision: str, as_dict: bool
) -> None:
    tensors = torch.randn(1, 6), torch.randn(1, 10), torch.zeros(1, 10, dtype=torch.bool)
    named = dict(zip(("query", "document", "mask"), tensors, strict=True))
    space = spaces.from_model(TwoTowers(), named if as_dict else tensors, name="towers")
    backend = make_backend(backend_name, Conditions("cpu", 2, precision))
    for architecture in space.enumerate():
        runner = backend.network_runner(space, architecture)
        assert runner.whole() > 0
        if backend.times_blocks:
            assert len(runner.blocks()) == len(space.blocks(architecture))


@pytest.mark.parametrize("backend_name", ["torch", "onnxruntime"])
def test_a_table_of_a_model_of_several_inputs_has_all_blocks(backend_name: str) -> None:
    tensors = torch.randn(1, 6), torch.randn(1, 10), torch.zeros(1, 10, dtype=torch.bool)
    space = spaces.from_model(TwoTowers(), tensors, name="towers")
    conditions = {"backend": backend_name, "batch": 1, "precision": "fp32", "threads": 1}
    table = build(
        space,
        make_backend(backend_name, Conditions("cpu")),
        Settings(budget_s=1.0, fewest_networks=20),
        name="towers",
        device={"kind": "cpu", "processor": "this"},
        conditions=conditions,
    )
    assert set(table.blocks) == set(space.all_blocks)
    assert (table.cost_model(space).estimate(list(space.enumerate())) > 0).all()
