"""Chains that begin alike: what they share is computed once, within the memory that is allowed."""

from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from oneshot.evaluation.prefixes import Features, PrefixTree
from oneshot.evaluation.recalibration import recalibrate

ENOUGH = 10**9


class Layer(nn.Module):
    """A convolution and a normalisation that count what they are given."""

    def __init__(self, seed: int, counts: Counter[int]):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2, affine=False)
        self.seed, self.counts = seed, counts
        with torch.no_grad():
            self.conv.weight.normal_(generator=torch.Generator().manual_seed(seed))

    def forward(self, x: Tensor) -> Tensor:
        self.counts[self.seed] += len(x)
        found: Tensor = self.norm(self.conv(x)).relu()
        return found


class Chains:
    """Three places with three candidates each."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.layers = [
            [Layer(3 * place + code, self.counts).eval() for code in range(3)] for place in range(3)
        ]
        generator = torch.Generator().manual_seed(9)
        self.images = Features(
            [torch.randn(4, 2, 5, 5, generator=generator) for _ in range(2)],
            [torch.randn(size, 2, 5, 5, generator=generator) for size in (4, 1)],
        )

    def chain(self, codes: Sequence[int]) -> list[nn.Module]:
        """The layers of codes [3]."""
        return [self.layers[place][code] for place, code in enumerate(codes)]

    @torch.no_grad()
    def together(self, many: Sequence[Sequence[int]], budget: int) -> list[Tensor]:
        """The outputs of each."""
        found: dict[int, Tensor] = {}
        for places, outputs in PrefixTree(self.images, budget).outputs(
            [self.chain(codes) for codes in many]
        ):
            whole = torch.cat(list(outputs))
            found |= dict.fromkeys(places, whole)
        return [found[place] for place in range(len(many))]

    @torch.no_grad()
    def alone(self, codes: Sequence[int]) -> Tensor:
        """The same without a tree."""
        model = nn.Sequential(*self.chain(codes))
        recalibrate(model, self.images.recalibration)
        return torch.cat([model(batch) for batch in self.images.validation])


codes = st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=8)


@settings(max_examples=30)
@given(codes, st.sampled_from([0, 3000, ENOUGH]))
def test_every_chain_is_computed_as_if_it_were_alone(
    many: list[tuple[int, ...]], budget: int
) -> None:
    chains = Chains()
    together = chains.together(many, budget)
    for found, one in zip(together, many, strict=True):
        assert torch.equal(found, chains.alone(one))


def test_what_is_shared_runs_once() -> None:
    chains = Chains()
    chains.together([(0, 0, 0), (0, 0, 1), (0, 1, 0), (2, 0, 0)], ENOUGH)
    images = chains.images.count
    # The two that others follow also run one image, to learn how large what leaves them is.
    assert chains.counts == {
        0: images + 1,
        2: images,
        3: 2 * images + 1,
        4: images,
        6: 3 * images,
        7: images,
    }


def test_without_memory_nothing_is_kept() -> None:
    chains = Chains()
    many = [(0, 0, 0), (0, 0, 1), (0, 0, 2)]
    chains.together(many, 0)
    assert chains.counts[0] >= 3 * chains.images.count
    chains.counts.clear()
    chains.together(many, ENOUGH)
    assert chains.counts[0] <= chains.images.count + 1


@pytest.mark.parametrize("budget", [0, ENOUGH])
def test_equal_chains_are_one(budget: int) -> None:
    chains = Chains()
    found = list(PrefixTree(chains.images, budget).outputs([chains.chain((1, 1, 1))] * 3))
    assert [places for places, _ in found] == [[0, 1, 2]]
    assert list(PrefixTree(chains.images, budget).outputs([])) == []


@pytest.mark.parametrize("budget", [0, ENOUGH])
@torch.no_grad()
def test_a_layer_that_works_in_place_leaves_the_features_of_others(budget: int) -> None:
    chains = Chains()
    in_place = nn.ReLU(inplace=True)
    first = chains.layers[0][0]
    many: list[list[nn.Module]] = [[first, in_place], [first, nn.Tanh()], [in_place, nn.Tanh()]]
    images = [batch.clone() for batch in chains.images.validation]

    outputs = [
        torch.cat(list(batches)) for _, batches in PrefixTree(chains.images, budget).outputs(many)
    ]

    features = torch.cat([first(batch) for batch in images])
    expected = [features.relu(), features.tanh(), torch.cat(images).relu().tanh()]
    for output, expected_output in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, expected_output)
