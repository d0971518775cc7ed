"""Names of choices: given keys, NNI's automatic keys, and paths."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces import InputChoice, LayerChoice, Repeat, ValueChoice
from spaces.errors import InvalidParameter
from spaces.modules.mutable import Mutable, assign_keys


class Block(nn.Module):
    """A block with a choice inside a candidate of another one."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = LayerChoice([nn.Linear(4, 4), nn.Identity()])

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.inner(x)
        return output


class Network(nn.Module):
    """A network that stores a number for each choice in its constructor, as NNI's SPOS network."""

    def __init__(self) -> None:
        super().__init__()
        self.costs: dict[str, list[int]] = {}
        stages = []
        for width in (1, 10):
            choice = LayerChoice([nn.Linear(4, 4), nn.Identity(), Block()])
            self.costs[choice.key] = [width, 0, 2 * width]
            stages.append(choice)
        self.stages = nn.Sequential(*stages)
        self.skip = InputChoice(n_candidates=2, n_chosen=1, key="skip")

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.skip([x, self.stages(x)])
        return output


def keys(model: nn.Module) -> list[str]:
    return [module.key for module in model.modules() if isinstance(module, Mutable)]


def test_key_exists_from_construction_on_and_does_not_change() -> None:
    layer = LayerChoice([nn.Identity()])
    key = layer.key
    assert key.startswith("LayerChoice")

    model = nn.Sequential(layer)
    assign_keys(model)

    assert layer.key == layer.label == key
    assert layer.choice.key == "0"


def test_reading_a_representation_does_not_settle_the_key() -> None:
    model = nn.Sequential(LayerChoice([nn.Identity()]))
    assert "LayerChoice" in repr(model)

    assign_keys(model)

    assert keys(model) == ["0"]


def test_two_models_of_a_process_have_the_same_keys() -> None:
    first = Network()
    LayerChoice([nn.Identity()]).key  # noqa: B018
    second = Network()

    assert list(first.costs) == list(second.costs) == ["LayerChoice2", "LayerChoice4"]
    assert keys(first)[0] == "LayerChoice2"


def test_parts_of_one_model_are_counted_together() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left = Network()
            self.right = Network()

    pair = Pair()

    assert list(pair.left.costs) == ["LayerChoice2", "LayerChoice4"]
    assert list(pair.right.costs) == ["LayerChoice6", "LayerChoice8"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copy_of_a_model_has_its_keys(copied: object) -> None:
    model = Network()
    assert callable(copied)
    twin = copied(model)
    assign_keys(twin)

    assert list(twin.costs) == list(model.costs)
    assert set(twin.costs) < set(keys(twin))


def test_copies_within_a_model_are_named_by_their_paths() -> None:
    block = LayerChoice([nn.Identity(), nn.ReLU()])
    key = block.key
    model = nn.Sequential(block, copy.deepcopy(block), copy.deepcopy(block))

    assign_keys(model)

    assert keys(model) == [key, "1", "2"]


def test_copies_in_a_repeat_decide_independently() -> None:
    model = nn.Sequential(Repeat(Block(), (1, 3), key="depth"))

    assign_keys(model)

    assert keys(model) == ["depth", *[f"0.blocks.{index}.inner" for index in range(3)]]


def test_spaces_name_choices_by_paths() -> None:
    space = spaces.from_model(Network(), torch.zeros(1, 4))

    assert [choice.key for choice in space.choices] == [
        "stages.0",
        "stages.0.candidates.2.inner",
        "stages.1",
        "stages.1.candidates.2.inner",
        "skip",
    ]


# Arguments


def test_arguments_have_the_names_of_every_generation_of_nni() -> None:
    modules = [nn.Identity(), nn.ReLU()]

    first = LayerChoice(op_candidates=modules, key="layer")
    third = LayerChoice(candidates=modules, label="layer")
    value = ValueChoice([1, 2], label="value")

    assert first.choice == third.choice
    assert value.key == value.label == "value"
    assert InputChoice(2, n_chosen=1, label="skip").key == "skip"
    assert Repeat(nn.ReLU(), (1, 2), label="depth").key == "depth"


def test_positions_of_the_arguments_are_those_of_nni_1() -> None:
    layer = LayerChoice([nn.Identity(), nn.Identity()], "mean", True, "layer")

    output, mask = layer.masked(torch.tensor([True, True]), torch.ones(2)), layer.return_mask

    assert torch.equal(output, torch.ones(2))  # type: ignore[arg-type]
    assert mask
    assert layer.key == "layer"


@pytest.mark.parametrize("reduction", ["sum", "mean", "concat", "none"])
def test_reduction_as_a_key_is_refused(reduction: str) -> None:
    with pytest.raises(InvalidParameter, match=f"write reduction='{reduction}'"):
        LayerChoice([nn.Identity()], key=reduction)
    with pytest.raises(InvalidParameter, match=f"write reduction='{reduction}'"):
        InputChoice(2, label=reduction)


def test_contradicting_names_of_an_argument_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="key or label"):
        LayerChoice([nn.Identity()], key="a", label="b")
    with pytest.raises(InvalidParameter, match="candidates or op_candidates"):
        LayerChoice([nn.Identity()], op_candidates=[nn.Identity()])
    with pytest.raises(InvalidParameter, match="n_chosen="):
        InputChoice(3, 1)  # type: ignore[arg-type]


# Attributes


def test_choices_have_the_attributes_of_nni() -> None:
    layer = LayerChoice({"conv3": nn.Conv2d(1, 1, 3), "conv5": nn.Conv2d(1, 1, 5)})
    inputs = InputChoice(choose_from=["stem", "block"], n_chosen=1)

    assert layer.length == len(layer) == 2
    assert layer.choices == list(layer)
    assert layer.names == ["conv3", "conv5"]
    assert (inputs.length, inputs.n_candidates, inputs.n_chosen) == (2, 2, 1)
    assert inputs.choose_from == inputs.names == ["stem", "block"]


def test_candidates_are_replaced_and_deleted() -> None:
    layer = LayerChoice({"a": nn.Identity(), "b": nn.ReLU(), "c": nn.Tanh(), "d": nn.Sigmoid()})
    layer[-1] = nn.ELU()
    layer["b"] = nn.GELU()

    del layer["a"]
    del layer[1:2]

    assert layer.names == ["b", "d"]
    assert [type(module) for module in layer] == [nn.GELU, nn.ELU]
    with pytest.raises(InvalidParameter, match="keeps at least one candidate"):
        del layer[:]


@pytest.mark.parametrize("names", [["0", "1"], ["conv3", "conv5"]])
def test_state_dict_with_nnis_names_is_loaded(names: list[str]) -> None:
    candidates = [nn.Linear(2, 2), nn.Linear(2, 2)]
    model = nn.Sequential(LayerChoice(dict(zip(names, candidates, strict=True))))
    state = {
        f"0.{name}.{part}": torch.full_like(value, index)
        for index, name in enumerate(names)
        for part, value in candidates[index].state_dict().items()
    }

    model.load_state_dict(state)

    assert [float(module.weight.detach().sum()) for module in candidates] == [0, 4]
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict({name: value for name, value in state.items() if "weight" in name})
