"""Search spaces of models that were not designed for search."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

import spaces
from spaces import InputChoice, LayerChoice, ModelSpace
from spaces.chains.additive_space import AdditiveSpace
from spaces.space import SearchSpace
from spaces.testing import SpaceContract
from tests.spaces.user_model.example_models import (
    EXAMPLE,
    MODELS,
    SmallResNet,
    nested,
    plain_attention,
    space_of,
)


def all_spaces() -> dict[str, ModelSpace]:
    return {name: space_of(name) for name in MODELS}


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
