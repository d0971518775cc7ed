"""Every name of a choice reaches it, in a mutator's samples, exports and architectures."""

import copy
import json

import pytest
import torch
from torch import Tensor, nn

import spaces
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.mutators.mutator import FixedArchitecture, RandomMutator
from spaces import InputChoice, LayerChoice


class Network(nn.Module):
    """A network that reads the keys of its layers in the constructor, as NNI's SPOS network."""

    def __init__(self) -> None:
        super().__init__()
        layers = [LayerChoice([nn.Linear(4, 4), nn.Identity()]) for _ in range(3)]
        self.costs = {layer.key: [10**index, 0] for index, layer in enumerate(layers)}
        self.features = nn.Sequential(*layers)
        self.skip = InputChoice(n_candidates=3, n_chosen=2)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.skip([x, x, self.features(x)])
        return output

    def cost(self, architecture: dict[str, Tensor]) -> int:
        return sum(
            self.costs[key][int(mask.int().argmax())]
            for key, mask in architecture.items()
            if key in self.costs
        )


CODES = {"features.0": 0, "features.1": 1, "features.2": 0, "skip": 1}


def test_export_has_the_keys_that_the_constructor_read() -> None:
    model = Network()
    mutator = FixedArchitecture(model, CODES)

    exported = mutator.export()

    assert list(exported) == [*model.costs, "skip"]
    assert model.cost(exported) == 101
    assert all(isinstance(mask, Tensor) for mask in exported.values())
    assert torch.equal(exported["features.2"], exported["LayerChoice3"])
    assert torch.equal(exported["InputChoice4"], torch.tensor([True, False, True]))
    assert "features.7" not in exported
    with pytest.raises(KeyError):
        exported["features.7"]


@pytest.mark.parametrize(
    "architecture",
    [
        {"LayerChoice1": 0, "LayerChoice2": 1, "LayerChoice3": 0, "InputChoice4": [0, 2]},
        {"LayerChoice21": "0", "LayerChoice22": "1", "LayerChoice23": "0", "InputChoice24": "0+2"},
        {**CODES, "skip": [True, False, True]},
    ],
)
def test_architecture_is_read_by_numbers_and_paths(architecture: dict[str, object]) -> None:
    assert FixedArchitecture(Network(), architecture).codes() == CODES


def test_architecture_of_one_model_fits_another_of_the_process() -> None:
    exported = json.loads(FixedArchitecture(Network(), CODES).export_json())

    other = Network()

    assert FixedArchitecture(other, exported).codes() == CODES
    assert FixedArchitecture(copy.deepcopy(Network()), exported).codes() == CODES


def test_sample_may_have_any_name() -> None:
    model = Network()
    mutator = RandomMutator(model, seed=1)
    mutator.reset()
    masks = dict(mutator.masks)

    mutator.take(
        {key: masks[name] for key, name in zip(model.costs, masks, strict=False)}
        | {"skip": masks["skip"]}
    )

    assert {name: mask.tolist() for name, mask in mutator.masks.items()} == {
        name: mask.tolist() for name, mask in masks.items()
    }
    with pytest.raises(InvalidOption, match=r"has no mask for 'features\.0'"):
        mutator.take({"skip": masks["skip"]})


def test_logits_and_saved_states_are_named_by_paths() -> None:
    mutator = ArchitectureMutator(Network())

    assert mutator.get_extra_state()["keys"] == list(CODES)
    assert mutator.alpha["LayerChoice1"] is mutator.alpha["features.0"]


def test_decisions_are_an_architecture_of_the_model_s_space() -> None:
    model = Network()
    space = spaces.from_model(model, torch.zeros(1, 4))

    architecture = space.architecture(FixedArchitecture(model, CODES).decided())

    assert space.encode([architecture]).tolist() == [[0, 1, 0, 1]]


def test_given_key_wins_over_the_number_of_another_choice() -> None:
    layers = [LayerChoice([nn.Identity(), nn.ReLU()]) for _ in range(2)]
    number = layers[1].automatic_key
    model = nn.Sequential(*layers, LayerChoice([nn.Identity(), nn.ReLU()], key=number))

    mutator = FixedArchitecture(model, {"0": 0, "1": 0, number: 1})

    assert mutator.codes() == {"0": 0, "1": 0, number: 1}
