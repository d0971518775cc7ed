"""Mixtures are the weighted sums of what each candidate makes of the same input."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.mutators.gumbel import GumbelMutator, HardGumbelMutator
from spaces.errors import InvalidParameter
from spaces.modules.choices import LayerChoice
from spaces.modules.repeat import Repeat

MUTATORS = [ArchitectureMutator, GumbelMutator, HardGumbelMutator]


class Shift(nn.Module):
    """Adds a trained number to its input in place."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor([0.5]))

    def forward(self, x: Tensor) -> Tensor:
        return x.add_(self.shift)


class Clip(nn.Module):
    """Writes to a part of its input."""

    def forward(self, x: Tensor) -> Tensor:
        x[:, 0] = 0
        return x


class Nested(nn.Module):
    """Holds a choice whose decision may make it work in place."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = LayerChoice([nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1)], key="inner")

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y


IN_PLACE: dict[str, Callable[[], list[nn.Module]]] = {
    "activations": lambda: [nn.ReLU(inplace=True), nn.Hardswish(inplace=True), nn.Identity()],
    "a method": lambda: [Shift(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()],
    "a slice": lambda: [Clip(), nn.Conv2d(4, 4, 1)],
    "second layers": lambda: [
        nn.Conv2d(4, 4, 1),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True)),
        nn.Sequential(nn.ReLU(inplace=True), nn.BatchNorm2d(4)),
    ],
    "a nested choice": lambda: [Nested(), nn.Conv2d(4, 4, 1)],
}


def mix(weights: Tensor, outputs: Sequence[Any]) -> Any:
    """The weighted sum of tensors, or of the tensors of tuples."""
    if isinstance(outputs[0], tuple):
        return tuple(mix(weights, items) for items in zip(*outputs, strict=True))
    return sum(weight * output for weight, output in zip(weights, outputs, strict=True))


def selected(mutator: ArchitectureMutator, weights: Tensor) -> list[int]:
    """The candidates that take part in a mixture."""
    hard = isinstance(mutator, HardGumbelMutator)
    return [index for index, weight in enumerate(weights) if weight > 0 or not hard]


@pytest.mark.parametrize("candidates", IN_PLACE.values(), ids=IN_PLACE)
@pytest.mark.parametrize("kind", MUTATORS)
def test_candidates_that_work_in_place_leave_the_input_of_the_others(
    kind: type[ArchitectureMutator], candidates: Callable[[], list[nn.Module]]
) -> None:
    torch.manual_seed(0)
    stem = nn.Conv2d(3, 4, 3)
    choice = LayerChoice(candidates(), key="choice")
    mutator = kind(nn.Sequential(stem, choice), init_ratio=0.5)
    mutator.reset()
    x = torch.randn(4, 3, 8, 8)
    weights = mutator.mask(choice)
    parameters = [*mutator.arch_parameters(), stem.weight]

    features = stem(x)
    indices = selected(mutator, weights)
    outputs = [choice[index](features.clone()) for index in indices]
    expected = mix(weights[indices], outputs)
    gradients = torch.autograd.grad(
        expected.square().sum(), parameters, retain_graph=True, allow_unused=True
    )

    # The first pass finds out which candidates work in place, the second one knows it.
    for _ in range(2):
        output = choice(stem(x))
        assert torch.allclose(output, expected, atol=1e-6)
        computed = torch.autograd.grad(
            output.square().sum(), parameters, retain_graph=True, allow_unused=True
        )
        for gradient, expected_gradient in zip(computed, gradients, strict=True):
            assert (gradient is None) == (expected_gradient is None)
            if gradient is not None and expected_gradient is not None:
                assert torch.allclose(gradient, expected_gradient, atol=1e-4)


def test_finding_out_what_works_in_place_leaves_no_trace() -> None:
    """Statistics and random numbers are those of one pass."""
    torch.manual_seed(0)
    choice = LayerChoice([nn.BatchNorm2d(3), nn.Dropout(), nn.ReLU(inplace=True)], key="choice")
    mutator = ArchitectureMutator(nn.Sequential(choice), init_type="zeros")
    mutator.reset()
    x = torch.randn(4, 3, 8, 8)

    torch.manual_seed(1)
    first = choice(x)
    batches = int(choice[0].num_batches_tracked)  # type: ignore[arg-type]
    torch.manual_seed(1)
    second = choice(x)

    assert batches == 1
    assert torch.equal(first, second)


def test_a_candidate_that_works_in_place_at_times_is_refused() -> None:
    class Alternating(nn.Module):
        passes = 0

        def forward(self, x: Tensor) -> Tensor:
            self.passes += 1
            return x.add_(1) if self.passes > 2 else x + 1

    choice = LayerChoice({"odd": Alternating(), "plain": nn.Identity()}, key="choice")
    mutator = ArchitectureMutator(nn.Sequential(choice))
    mutator.reset()
    choice(torch.ones(2, 3))

    with pytest.raises(InvalidParameter, match="choice, 'odd': the candidate changes its input"):
        choice(torch.ones(2, 3))


class Counting(nn.Conv2d):
    """Counts how often its parts are looked at."""

    looks = 0

    def modules(self) -> Iterator[nn.Module]:
        self.looks += 1
        return super().modules()


def test_candidates_are_looked_at_once_and_not_in_every_pass() -> None:
    candidate = Counting(4, 4, 1)
    layer = LayerChoice([candidate, nn.Identity()])
    mask = torch.full((2,), 0.5)

    with torch.no_grad():
        looks = []
        for _ in range(3):
            layer.masked(mask, torch.randn(1, 4, 2, 2))
            looks.append(candidate.looks)

    assert looks[0] == looks[2]


def test_candidate_that_replaces_another_may_work_in_place() -> None:
    layer = LayerChoice([nn.Identity(), nn.Conv2d(4, 4, 1)])
    mask = torch.full((2,), 0.5)
    images = -torch.ones(1, 4, 2, 2)
    layer.masked(mask, images)

    layer[0] = nn.ReLU(inplace=True)
    layer.masked(mask, images)

    assert torch.equal(images, -torch.ones(1, 4, 2, 2))


def test_blocks_of_a_repeat_may_work_in_place() -> None:
    torch.manual_seed(0)
    repeat = Repeat(lambda index: nn.ReLU(True) if index else nn.Conv2d(3, 3, 1), (1, 2), key="d")
    mutator = ArchitectureMutator(nn.Sequential(repeat), init_ratio=0.5)
    mutator.reset()
    x = torch.randn(2, 3, 4, 4)

    features = repeat.blocks[0](x)
    weights = mutator.mask(repeat)
    expected = weights[0] * features + weights[1] * features.relu()
    output = repeat(x)

    assert torch.allclose(output, expected)
    gradients = [
        torch.autograd.grad(value.square().sum(), mutator.arch_parameters(), retain_graph=True)[0]
        for value in (output, expected)
    ]
    assert torch.allclose(*gradients, atol=1e-4)


class Attention(nn.Module):
    """Returns an output and its attention weights."""

    def __init__(self, heads: int):
        super().__init__()
        self.attention = nn.MultiheadAttention(12, heads, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        output, weights = self.attention(x, x, x)
        return output, weights


TUPLES: dict[str, Callable[[], list[nn.Module]]] = {
    "LSTM": lambda: [nn.LSTM(12, 16, bias=bias, batch_first=True) for bias in (True, False)],
    "GRU": lambda: [nn.GRU(12, 16, bias=bias, batch_first=True) for bias in (True, False)],
    "attention": lambda: [Attention(2), Attention(4)],
}


def flat(value: Any) -> list[Tensor]:
    """The tensors of nested tuples."""
    if isinstance(value, Tensor):
        return [value]
    return [tensor for item in value for tensor in flat(item)]


@pytest.mark.parametrize("candidates", TUPLES.values(), ids=TUPLES)
@pytest.mark.parametrize("kind", MUTATORS)
def test_tuples_are_mixed_tensor_by_tensor(
    kind: type[ArchitectureMutator], candidates: Callable[[], list[nn.Module]]
) -> None:
    torch.manual_seed(0)
    choice = LayerChoice(candidates(), key="choice")
    mutator = kind(nn.Sequential(choice), init_ratio=0.5)
    mutator.reset()
    x = torch.randn(3, 7, 12)
    weights = mutator.mask(choice)

    indices = selected(mutator, weights)
    expected = flat(mix(weights[indices], [choice[index](x) for index in indices]))
    output = flat(choice(x))

    assert len(output) == len(expected) > 1
    for tensor, expected_tensor in zip(output, expected, strict=True):
        assert torch.allclose(tensor, expected_tensor, atol=1e-6)
    gradients = [
        torch.autograd.grad(
            sum((tensor.square().sum() for tensor in tensors), torch.zeros(())),
            mutator.arch_parameters(),
            retain_graph=True,
        )[0]
        for tensors in (output, expected)
    ]
    assert torch.allclose(*gradients, atol=1e-4)
