"""Mutable modules: what they compute, how masks and mutators take over, keys, copies."""

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spaces import InputChoice, LayerChoice, Repeat, ValueChoice
from spaces.errors import InvalidArchitecture, InvalidParameter, NoActiveCandidate
from spaces.modules.mutable import Mutable, assign_keys
from spaces.modules.reduction import masked, reduced


class Scale(nn.Module):
    """Multiplies by a number."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


ONES = torch.ones(1, 2)


def scales() -> LayerChoice:
    return LayerChoice({"twice": Scale(2), "thrice": Scale(3), "ten": Scale(10)}, key="factor")


# What each computes


def test_layer_choice_is_a_sequence_of_its_candidates() -> None:
    layer = scales()
    assert (len(layer), layer.names) == (3, ["twice", "thrice", "ten"])
    assert list(layer) == [layer[0], layer["thrice"], layer[2]] == list(layer.candidates)


def test_layer_choice_takes_the_modules_of_torch() -> None:
    named = LayerChoice(nn.ModuleDict({"a": Scale(1), "b": Scale(2)}))
    listed = LayerChoice(nn.ModuleList([Scale(1), Scale(2)]))
    assert (named.names, listed.names) == (["a", "b"], ["0", "1"])


def test_candidates_named_by_numbers_are_named_by_their_text() -> None:
    layer = LayerChoice({3: Scale(3), 5: Scale(5)}, key="kernel")
    assert layer.names == ["3", "5"]
    assert layer.choice.code(5) == layer.choice.code("5") == 1
    with pytest.raises(InvalidParameter, match="kernel: needs candidates whose names differ as"):
        LayerChoice({3: Scale(3), "3": Scale(5)}, key="kernel")
    inputs = InputChoice(choose_from=[1, 2], n_chosen=1, key="i")  # type: ignore[list-item]
    assert inputs.choice.candidates == ("1", "2")


def test_keys_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="the key of a LayerChoice is text, not 7"):
        LayerChoice([Scale(1)], key=7)  # type: ignore[arg-type]


def test_layer_choice_hands_on_all_arguments() -> None:
    bilinear = LayerChoice([nn.Bilinear(2, 3, 4)], key="b")
    bilinear.activate(0)
    first, second = torch.ones(1, 2), torch.ones(1, 3)
    assert torch.equal(bilinear(first, input2=second), bilinear[0](first, second))


@pytest.mark.parametrize(
    ("chosen", "reduction", "expected"),
    [
        ("0", "sum", [[1.0, 1.0]]),
        ("0+2", "sum", [[5.0, 5.0]]),
        ("0+2", "mean", [[2.5, 2.5]]),
        ("0+2", "concat", [[1.0, 1.0, 4.0, 4.0]]),
        ("none", "sum", None),
    ],
)
def test_input_choice_reduces_its_selection(chosen: str, reduction: Any, expected: Any) -> None:
    choice = InputChoice(n_candidates=3, reduction=reduction, key="inputs")
    choice.activate(chosen)
    output = choice([ONES, 2 * ONES, 4 * ONES])
    assert (output if output is None else output.tolist()) == expected


def test_input_choice_without_reduction_gives_a_list() -> None:
    choice = InputChoice(3, reduction="none", key="inputs")
    for chosen, expected in (("none", []), ("1", [2]), ("0+1", [1, 2])):
        choice.activate(chosen)
        assert [tensor[0, 0].item() for tensor in choice([ONES, 2 * ONES, 4 * ONES])] == expected


def test_input_choice_takes_inputs_by_name() -> None:
    choice = InputChoice(choose_from=["first", "second"], n_chosen=1, key="inputs")
    assert choice.choice.candidates == ("first", "second")
    choice.activate("second")
    assert choice({"second": 2 * ONES, "first": ONES}).tolist() == [[2, 2]]
    with pytest.raises(InvalidParameter, match="inputs: the input 'second' is missing"):
        choice({"first": ONES})
    with pytest.raises(InvalidParameter, match="inputs: 2 inputs are chosen from, not 1"):
        choice([ONES])
    assert InputChoice(choose_from=["first", InputChoice.NO_KEY], n_chosen=1).choice.candidates == (
        "0",
        "1",
    )


def test_value_choice_gives_its_value() -> None:
    value = ValueChoice([0.0, 0.5, (3, 3)], key="rate")
    value.activate("(3, 3)")
    assert value() == (3, 3)
    value.activate(1)
    assert value() == 0.5


def test_repeat_runs_the_first_blocks() -> None:
    repeat = Repeat(lambda index: Scale(2 + index), (0, 3), key="depth")
    results = {}
    for depth in repeat.choice.candidates:
        repeat.activate(depth)
        results[depth] = repeat(ONES)[0, 0].item()
    assert results == {"0": 1, "1": 2, "2": 6, "3": 24}


def test_repeat_copies_a_module_and_takes_a_list_as_it_is() -> None:
    linear = nn.Linear(2, 2)
    repeat = Repeat(linear, (1, 3))
    assert repeat.blocks[0] is linear
    assert torch.equal(repeat.blocks[1].weight, linear.weight)  # type: ignore[arg-type]
    assert len({id(value) for value in repeat.parameters()}) == 6
    listed = Repeat([linear, lambda index: Scale(index)], 2)
    assert (listed.blocks[0], listed.choice.candidates) == (linear, ("2",))
    assert isinstance(listed.blocks[1], Scale)
    assert listed.blocks[1].factor == 1


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: LayerChoice([], key="k"), "k: needs candidates, each with a name"),
        (
            lambda: LayerChoice([Scale(1)], reduction="max"),
            "reduction must be one of sum, mean, concat, none",
        ),  # type: ignore[arg-type]
        (lambda: LayerChoice([None], key="k"), "k: the candidate '0' is no module but None"),  # type: ignore[list-item]
        (lambda: InputChoice(key="k"), "k: give n_candidates or choose_from"),
        (
            lambda: InputChoice(2, ["a"], key="k"),
            "k: n_candidates is 2, but choose_from has 1 names",
        ),
        (lambda: InputChoice(2, n_chosen=3, key="k"), "k: cannot choose 3 of 2 inputs"),
        (lambda: ValueChoice([], key="k"), r"k: .*\[\]"),
        (lambda: ValueChoice([1, "1"], key="k"), r"k: .*\[1, '1'\]"),
        (lambda: Repeat(Scale(1), (2, 1), key="k"), r"k: depth is \(min, max\)"),
        (lambda: Repeat(Scale(1), 0), "a Repeat: depth is"),
        (
            lambda: Repeat([Scale(1)], (1, 2), key="k"),
            "k: a list of blocks has as many as the greatest depth, 2",
        ),
    ],
)
def test_contradictory_arguments_are_refused(make: Any, fault: str) -> None:
    with pytest.raises(InvalidParameter, match=fault):
        make()


@pytest.mark.parametrize(
    ("mutable", "inputs"),
    [
        (scales(), (ONES,)),
        (InputChoice(2, key="factor"), ([ONES, ONES],)),
        (ValueChoice([1, 2], key="factor"), ()),
        (Repeat(Scale(1), (1, 2), key="factor"), (ONES,)),
    ],
)
def test_running_before_a_decision_names_the_key(mutable: Mutable, inputs: Any) -> None:
    with pytest.raises(NoActiveCandidate, match=r"^factor: no candidate is active"):
        mutable(*inputs)
    with pytest.raises(InvalidArchitecture, match="factor: unknown candidate 'heard'"):
        mutable.activate("heard")
    with pytest.raises(NoActiveCandidate, match="a ValueChoice without a key"):
        ValueChoice([1])()


# Masks


def test_bool_masks_select_and_float_masks_weight() -> None:
    layer = scales()
    select = torch.tensor([True, False, True])
    weigh = torch.tensor([0.5, 0.0, 0.1])
    assert layer.masked(select, ONES).tolist() == [[12, 12]]  # type: ignore[union-attr]
    torch.testing.assert_close(layer.masked(weigh, ONES), 2 * ONES)
    inputs = InputChoice(3, reduction="mean", key="i")
    torch.testing.assert_close(inputs.masked(weigh, [ONES, ONES, ONES]), 0.3 * ONES)
    assert layer.masked(torch.tensor([False] * 3), ONES) is None


def test_mask_drops_unselected_outputs() -> None:
    computed: list[int] = []

    def output(index: int) -> Tensor:
        computed.append(index)
        return ONES

    runs = [lambda index=index: output(index) for index in range(3)]
    masked(torch.tensor([False, True, False]), runs)
    masked(torch.tensor([0.0, 0.0, 1.0]), runs)
    assert computed == [1, 2]


def test_every_weight_takes_a_gradient_even_at_zero() -> None:
    mask = torch.tensor([1.0, 0.0, 0.0], requires_grad=True)
    output = scales().masked(mask, ONES)
    assert isinstance(output, Tensor)
    output.sum().backward()  # type: ignore[no-untyped-call]
    assert mask.grad is not None
    assert mask.grad.tolist() == [4, 6, 20]


def test_wrong_masks_are_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"3 candidates has the shape \[3\], not \[2\]"):
        scales().masked(torch.tensor([True, False]), ONES)
    with pytest.raises(
        InvalidParameter, match=r"bool \(selects\) or floating \(weights\), not torch.int64"
    ):
        scales().masked(torch.tensor([1, 0, 0]), ONES)
    assert reduced("sum", []) is None
    assert reduced("none", []) == []


def test_mask_is_returned_with_return_mask() -> None:
    layer = LayerChoice([Scale(2), Scale(3)], return_mask=True, key="l")
    inputs = InputChoice(3, n_chosen=2, return_mask=True, key="i")
    layer.activate(1)
    inputs.activate("0+2")
    output, mask = layer(ONES)
    assert (output.tolist(), mask.tolist()) == ([[3, 3]], [False, True])
    output, mask = inputs([ONES, ONES, ONES])
    assert (output.tolist(), mask.tolist()) == ([[2, 2]], [True, False, True])
    assert layer.frozen(1)(ONES)[1].tolist() == [False, True]
    assert inputs.frozen(1)([ONES, ONES, ONES])[1].tolist() == [True, False, True]


# A mutator


class Weighing(nn.Module):
    """A mutator in ten lines, with weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor([0.25, 0.75, 0.0]))

    def on_forward_layer_choice(self, mutable: LayerChoice, *inputs: Tensor) -> tuple[Any, Tensor]:
        return mutable.masked(self.alpha, *inputs), self.alpha


def test_a_bound_mutator_takes_over() -> None:
    layer, mutator = scales(), Weighing()
    layer.bind(mutator)
    assert layer.mutator is mutator
    torch.testing.assert_close(layer(ONES), 2.75 * ONES)
    assert list(layer.parameters()) == []  # the mutator is no part of the model
    layer.return_mask = True
    assert layer(ONES)[1] is mutator.alpha
    layer.return_mask = False
    layer.bind(None)
    layer.activate("ten")
    assert layer(ONES).tolist() == [[10, 10]]


def test_mutator_without_method_leaves_the_mutable_alone() -> None:
    value = ValueChoice([1, 2], key="v")
    value.bind(Weighing())
    value.activate(1)
    assert value() == 2


def test_copies_keep_the_decision_but_are_not_bound() -> None:
    layer = scales()
    layer.activate("thrice")
    layer.bind(Weighing())
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    for again in (
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
        torch.load(buffer, weights_only=False),
    ):
        assert again.mutator is None
        assert (again.key, again.active, again.choice) == ("factor", 1, layer.choice)
        assert again(ONES).tolist() == [[3, 3]]
    assert layer.mutator is not None


# Keys


class Twice(nn.Module):
    """Has mutables with keys and without."""

    def __init__(self, key: str | None = None, count: int = 2):
        super().__init__()
        self.stem = LayerChoice([Scale(1), nn.Sequential(Repeat(Scale(2), (1, 2)))])
        self.first = LayerChoice([Scale(1), Scale(2)], key=key)
        self.second = LayerChoice([Scale(index) for index in range(count)], key=key)


def test_keys_are_paths_in_the_model() -> None:
    def keys(model: nn.Module) -> list[str]:
        return [mutable.key for mutable in assign_keys(model)]

    expected = ["stem", "stem.candidates.1.0", "first", "second"]
    assert keys(Twice()) == keys(Twice()) == expected
    assert keys(copy.deepcopy(Twice())) == expected
    assert keys(nn.Sequential(Twice()))[1] == "0.stem.candidates.1.0"
    assert keys(ValueChoice([1])) == ["model"]
    model = Twice()
    assert keys(nn.ModuleDict({"outer": model}))[0] == "outer.stem"
    assert keys(model) == expected  # by itself again
    assert keys(Twice(key="both"))[2:] == ["both", "both"]


def test_keys_that_contradict_each_other_are_refused_by_name() -> None:
    with pytest.raises(
        InvalidParameter, match="the key 'both' is given to mutables with different candidates"
    ):
        assign_keys(Twice(key="both", count=3))
    with pytest.raises(
        InvalidParameter, match="the key 'stem' is given to one mutable and the path of another"
    ):
        assign_keys(Twice(key="stem"))
