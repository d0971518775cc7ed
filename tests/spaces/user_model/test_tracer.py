"""What a run of a model finds where the model is not as tidy as it could be."""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import spaces
from spaces import InputChoice, LayerChoice, ModelSpace, Repeat, ValueChoice
from spaces.errors import InvalidBlock
from spaces.user_model.digest import configuration, digest
from spaces.user_model.exploration import explore
from spaces.user_model.factors import Placement, factorise
from spaces.user_model.sites import sites

EXAMPLE = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def convolutions() -> LayerChoice:
    return LayerChoice([nn.Conv2d(3, 3, size, padding=size // 2) for size in (1, 3)])


def operators(space: ModelSpace, codes: list[int]) -> list[str]:
    return [block.key.partition("-")[0] for block in space.blocks(space.architecture(codes))]


def check_counts(space: ModelSpace) -> None:
    """MACs and parameters are those of each frozen network as it is."""
    for architecture in space.enumerate():
        network = space.network(architecture).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(EXAMPLE[:1])
        assert counter.get_total_flops() == 2 * space.macs(architecture)
        assert sum(value.numel() for value in network.parameters()) == space.params(architecture)
        assert len(network.blocks) == len(space.blocks(architecture))


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


class ManyStrides(nn.Module):
    """More architectures than are run to list the blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(LayerChoice([nn.Conv2d(3, 3, 3, stride, 1) for stride in (1, 2)]) for _ in range(12))
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result.mean((2, 3))


def test_blocks_of_large_spaces_are_explored() -> None:
    space = spaces.from_model(ManyStrides(), EXAMPLE)
    assert space.size == 4096
    # Five sizes of inputs, 16 to 1, and two strides: the last layer on whole images is met in 2 of
    # 4096.
    assert len(space.all_blocks) == 10
    keys, counts = space.block_counts(space.sample(np.random.default_rng(1), 5))
    assert keys == list(space.all_blocks)
    assert (counts.sum(1) == 12).all()


def test_exploring_stops_at_its_limit() -> None:
    space = spaces.from_model(ManyStrides(), EXAMPLE)
    start = np.zeros(12, dtype=np.int16)
    places: list[Placement] = list(space.places)
    assert explore(start, places, [2] * 12, space.trace, 5) == 5
    assert 12 < explore(start, places, [2] * 12, space.trace, 1000) < 200


def test_threads_may_share_a_space() -> None:
    space = spaces.from_model(ManyStrides(), EXAMPLE)
    architectures = space.decode(space.sample(np.random.default_rng(0), 12))
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(space.macs, architectures))
    assert together == [
        sum(block.macs for block in space.blocks(architecture)) for architecture in architectures
    ]


def test_shapes_tell_what_random_architectures_might_miss() -> None:
    space = spaces.from_model(ManyStrides(), EXAMPLE)
    assert (
        factorise(
            space.places, [2] * 12, space.trace, lambda n: space.sample(np.random.default_rng(0), 0)
        )
        is None
    )


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


# Where mutables are


def test_a_mutable_with_two_places_counts_at_either() -> None:
    inner = convolutions()
    model = nn.Sequential(
        LayerChoice([nn.Identity(), inner]), LayerChoice([inner, nn.Identity()]), nn.Flatten()
    )
    space = spaces.from_model(model, EXAMPLE)
    assert [choice.key for choice in space.choices] == ["0", "0.candidates.1", "1"]
    assert space.check(np.array([[0, 1, 0], [0, 1, 1], [1, 1, 1]])).tolist() == [
        [0, 1, 0],
        [0, 0, 1],
        [1, 1, 1],
    ]
    check_counts(space)


def test_places_that_contradict_themselves_are_never_reached() -> None:
    innermost = LayerChoice([nn.Identity(), nn.ReLU()], key="never")
    middle = LayerChoice([innermost, nn.Identity()], key="same")
    _, found = sites(LayerChoice([nn.Identity(), middle], key="same"))
    assert [site.chains for site in found] == [((),), (((0, frozenset({1})),),), ()]


# How tensors flow


def edges(model: nn.Module, codes: list[int]) -> list[list[int]]:
    space = spaces.from_model(model, EXAMPLE)
    found: list[list[int]] = sorted(space.graph(space.architecture(codes)).edge_index.T.tolist())
    return found


def test_what_is_written_into_a_tensor_flows_on() -> None:
    class Writing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = convolutions(), convolutions()

        def forward(self, x: Tensor) -> Tensor:
            written = torch.zeros(x.shape)
            written[:] = self.first(x)
            result: Tensor = self.second(written)
            return result.mean((2, 3))

    assert edges(Writing(), [0, 1]) == [[0, 1], [1, 2]]


def test_what_passes_through_numpy_flows_on() -> None:
    class Detour(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(2 * x.detach().numpy())

    assert edges(nn.Sequential(convolutions(), Detour(), convolutions(), nn.Flatten()), [0, 1]) == [
        [0, 1],
        [1, 2],
    ]


def test_edges_may_depend_on_other_choices() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.skip, self.second = convolutions(), InputChoice(1), convolutions()

        def forward(self, x: Tensor) -> Tensor:
            skip, x = self.skip([x]), self.first(x)
            result: Tensor = self.second(x if skip is None else x + skip)
            return result.mean((2, 3))

    space = spaces.from_model(Skip(), EXAMPLE)
    assert space.factors is not None
    assert space.factors.edges is None
    assert edges(Skip(), [0, 0, 0]) == [[0, 1], [1, 3]]
    assert edges(Skip(), [0, 1, 0]) == [[0, 1], [0, 2], [1, 3], [2, 3]]


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


# Digests


def modules() -> Iterator[tuple[str, nn.Module]]:
    yield "conv", nn.Conv2d(3, 4, 3)
    yield "stride", nn.Conv2d(3, 4, 3, 2)
    yield "dilation", nn.Conv2d(3, 4, 3, dilation=2)
    yield "in a sequence", nn.Sequential(nn.Conv2d(3, 4, 3))
    for factor in (1.0, 2.0):
        yield f"factor {factor}", Configured(factor, functional.relu)
    yield "function", Configured(1.0, functional.gelu)


class Configured(nn.Module):
    """Configured by attributes that its representation does not show."""

    def __init__(self, factor: float, activation: object):
        super().__init__()
        self.factor, self.activation = factor, activation


def test_digests_tell_configurations_apart() -> None:
    digests = {name: digest(configuration(module)) for name, module in modules()}
    assert len(set(digests.values())) == len(digests)
    assert digests == {name: digest(configuration(module)) for name, module in modules()}
    module = nn.Conv2d(3, 4, 3)
    assert (
        digest(configuration(module.eval()))
        == digest(configuration(module.train()))
        == digests["conv"]
    )
