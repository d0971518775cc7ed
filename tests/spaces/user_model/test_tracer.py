"""Costs of models that call, share or hide their modules."""

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import spaces
from spaces import InputChoice, LayerChoice, ModelSpace, Repeat, ValueChoice
from spaces.errors import InvalidBlock
from tests.spaces.user_model.convolutions import EXAMPLE, check_counts, convolutions


def operators(space: ModelSpace, codes: list[int]) -> list[str]:
    return [block.key.partition("-")[0] for block in space.blocks(space.architecture(codes))]


class Untidy(nn.Module):
    """Calls modules repeatedly, uses a weight of its own, and has a part that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.choice, self.relu = convolutions(), nn.ReLU()
        self.tied = nn.Conv2d(3, 3, 3, padding=1)
        self.unused = nn.Linear(4, 4)
        self.weight = nn.Parameter(torch.randn(5, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.relu(self.tied(self.choice(x)))
        return functional.conv2d(x, self.weight).mean((2, 3))


def test_a_module_that_is_called_again_is_one_block_with_all_its_calls() -> None:
    space = spaces.from_model(Untidy(), EXAMPLE)
    blocks = space.blocks(space.architecture([0]))
    assert operators(space, [0]) == ["module conv2d", "module conv2d", "own untidy"]
    assert [block.macs for block in blocks] == [3 * 256 * 9, 3 * 256 * 81, 256 * 15]
    assert [block.params for block in blocks] == [12, 84, 20 + 15]
    check_counts(space)


def test_what_bypasses_hooks_counts_as_its_callers_own() -> None:
    class Bypass(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.choice, self.conv = convolutions(), nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv.forward(self.choice.forward(x)).mean((2, 3))

    space = spaces.from_model(Bypass(), EXAMPLE)
    assert space.factors is None
    assert operators(space, [1]) == ["module conv2d", "own bypass"]
    check_counts(space)


def test_scripted_modules_count_as_their_callers_own() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.trace(nn.Conv2d(3, 3, 1), EXAMPLE)  # type: ignore[no-untyped-call]
    space = spaces.from_model(
        nn.Sequential(convolutions(), scripted, convolutions(), nn.Flatten()), EXAMPLE
    )
    assert operators(space, [0, 0])[-1] == "own sequential"
    assert sorted(space.graph(space.architecture([0, 0])).edge_index.T.tolist()) == [[0, 1], [1, 2]]
    check_counts(space)


def test_checkpointed_and_parametrised_modules_are_counted() -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.choice = convolutions()
            self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 1))

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.normed(checkpoint(self.choice, x, use_reentrant=False))
            return result.mean((2, 3))

    check_counts(spaces.from_model(Checkpointed(), EXAMPLE))


def test_attention_is_counted_though_its_fast_path_hides_it() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.choice = LayerChoice(
                [nn.MultiheadAttention(16, heads, batch_first=True) for heads in (1, 2)]
            )
            self.head = nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = x.flatten(1, 2)
            attended, _ = self.choice(x, x, x, need_weights=False)
            result: Tensor = self.head(attended.mean(1))
            return result

    space = spaces.from_model(Attending(), EXAMPLE)
    length, width = 48, 16
    expected = 4 * length * width**2 + 2 * length**2 * width + width * 4
    assert space.macs(np.array([[0], [1]])).tolist() == [expected, expected]


def test_choices_that_share_a_module_are_counted_together() -> None:
    conv = nn.Conv2d(3, 3, 1)
    model = nn.Sequential(
        LayerChoice([conv, nn.Identity()]), LayerChoice([conv, nn.Conv2d(3, 3, 3, 1, 1)])
    )
    space = spaces.from_model(nn.Sequential(model, nn.Flatten()), EXAMPLE)
    assert space.factors is None
    check_counts(space)


def test_a_module_may_be_two_candidates() -> None:
    conv = nn.Conv2d(3, 3, 1)
    space = spaces.from_model(
        nn.Sequential(LayerChoice([conv, nn.Identity(), conv]), nn.Flatten()), EXAMPLE
    )
    assert space.params(np.array([[0], [1], [2]])).tolist() == [12, 0, 12]
    check_counts(space)


def test_a_mutable_registered_twice_is_one() -> None:
    choice = convolutions()
    space = spaces.from_model(nn.Sequential(choice, choice, nn.Flatten()), EXAMPLE)
    assert [item.key for item in space.choices] == ["0"]
    network = space.network(space.architecture([1]))
    assert network.model[0] is network.model[1]  # type: ignore[index]
    check_counts(space)


def test_values_that_act_together_are_found_out() -> None:
    class Together(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = ValueChoice([0, 1]), ValueChoice([0, 1])
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return (self.conv(x) if self.one() != self.two() else x).mean((2, 3))

    space = spaces.from_model(Together(), EXAMPLE)
    assert space.factors is None
    assert space.macs(np.array([[0, 0], [0, 1], [1, 0], [1, 1]])).tolist() == [0, 2304, 2304, 0]
    # Its weights are there all the same.
    check_counts(space)


def test_inputs_may_come_together_at_any_width() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inputs = InputChoice(3, reduction="concat")
            self.choice = convolutions()

        def forward(self, x: Tensor) -> Tensor:
            taken = self.inputs([x, x, x])
            return x.mean((2, 3)) if taken is None else self.choice(taken[:, :3]).mean((2, 3))

    space = spaces.from_model(Wide(), EXAMPLE)
    assert space.factors is None
    check_counts(space)


def test_a_shortened_repeat_may_change_shapes() -> None:
    stages = Repeat(lambda index: nn.Conv2d(3, 3, 3, 2, 1), (0, 3))
    space = spaces.from_model(
        nn.Sequential(stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)), EXAMPLE
    )
    assert not space.additive
    layer = 81
    assert space.macs(np.arange(4)[:, None]).tolist() == [
        6,
        64 * layer + 6,
        80 * layer + 6,
        84 * layer + 6,
    ]
    check_counts(space)


def test_running_a_model_draws_no_random_numbers() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.choice = convolutions()

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.choice(x + torch.rand_like(x))
            return result.mean((2, 3))

    model = Noisy()
    state = torch.get_rng_state()
    spaces.from_model(model, EXAMPLE)
    assert torch.equal(torch.get_rng_state(), state)


def test_blocks_can_be_run_by_themselves() -> None:
    space = spaces.from_model(Untidy(), EXAMPLE)
    blocks = space.blocks(space.architecture([1]))
    module = space.block_module(blocks[0])
    assert module(torch.zeros(1, *blocks[0].input)).shape[1:] == blocks[0].output
    with pytest.raises(
        InvalidBlock, match="model-untidy has no module that is the block 'own untidy-"
    ):
        space.block_module(blocks[-1])


def test_sums_of_blocks_are_tables_where_costs_add_up() -> None:
    space = spaces.from_model(nn.Sequential(convolutions(), convolutions(), nn.Flatten()), EXAMPLE)
    assert isinstance(space, spaces.AdditiveSpace)
    codes = np.concatenate(list(space.enumerate_codes()))
    table = space.additive_table(lambda block: block.macs, np.int64)
    assert table(codes).tolist() == space.macs(codes).tolist()
    halves = [torch.tensor([0.5, 0.5], dtype=torch.float64)] * 2
    assert table.expected(halves).item() == space.macs(codes).mean()
