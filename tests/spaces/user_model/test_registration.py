"""Names of users' spaces, and the models that are refused."""

import copy
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

import spaces
from spaces import Architecture, LayerChoice, ModelSpace, registry
from spaces.errors import InvalidArchitecture, InvalidParameter, UnknownName
from spaces.space import SearchSpace
from tests.spaces.user_model.example_models import EXAMPLE, SmallResNet, seeded, space_of


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
