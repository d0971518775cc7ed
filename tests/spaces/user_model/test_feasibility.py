"""Combinations of candidates with which a user's model fails."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces import LayerChoice, ModelSpace, ValueChoice
from spaces.errors import InvalidArchitecture

EXAMPLE = torch.randn(1, 3, 23, 23, generator=torch.Generator().manual_seed(0))


class Shrinking(nn.Module):
    """Convolutions without padding, of which two of 5 x 5 leave too little for a third."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            LayerChoice({f"k{kernel}": nn.Conv2d(3, 3, kernel, dilation=2) for kernel in (1, 3, 5)})
            for _ in range(3)
        )
        self.norm = nn.LayerNorm(3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            if min(x.shape[2:]) < 9:
                raise KeyError("the image is too small")
            x = layer(x)
        output: Tensor = self.norm(x.mean((2, 3)))
        return output


class Dividing(nn.Module):
    """All shapes are equal, but the width must be divided by the values of two choices."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = ValueChoice([1, 2, 3])
        self.groups = ValueChoice([1, 2, 4])
        self.layer = LayerChoice([nn.Linear(12, 12), nn.Identity()])

    def forward(self, x: Tensor) -> Tensor:
        assert 12 % (self.heads() * self.groups()) == 0
        output: Tensor = self.layer(x)
        return output


def space_of(model: nn.Module, example: Tensor) -> tuple[ModelSpace, set[tuple[int, ...]]]:
    """Return the space, and the codes with which the model runs."""
    space = spaces.from_model(model, example)
    working = set()
    for codes in itertools.product(*(range(count) for count in space.candidates)):
        supernet = space.model().eval()
        mutables = [module for module in supernet.modules() if hasattr(module, "activate")]
        for mutable, code in zip(mutables, codes, strict=True):
            mutable.activate(code)
        try:
            supernet(example)
        except (AssertionError, KeyError):
            continue
        working.add(codes)
    assert len(working) < np.prod(space.candidates)
    return space, working


@pytest.fixture(params=["shapes", "values"])
def broken_space(request: pytest.FixtureRequest) -> tuple[ModelSpace, set[tuple[int, ...]]]:
    if request.param == "shapes":
        return space_of(Shrinking(), EXAMPLE)
    return space_of(Dividing(), torch.randn(1, 12))


def test_only_working_combinations_are_architectures(
    broken_space: tuple[ModelSpace, set[tuple[int, ...]]],
) -> None:
    space, working = broken_space
    rng = np.random.default_rng(0)
    listed = np.concatenate(list(space.enumerate_codes()))
    assert set(map(tuple, listed.tolist())) == working

    samples = space.sample(rng, 100)
    children = space.mutate(samples, rng, 0.5)
    crossed = space.crossover(samples, children, rng)
    for codes in (samples, children, crossed):
        assert set(map(tuple, codes.tolist())) <= working
    counts = space.macs(listed)
    assert counts.tolist() == [space.macs(architecture) for architecture in space.decode(listed)]


def test_a_broken_combination_is_refused_with_its_candidates() -> None:
    space = spaces.from_model(Shrinking(), EXAMPLE)
    with pytest.raises(InvalidArchitecture, match=r"'layers.1': 'k5'.*too small.*KeyError, test_"):
        space.architecture([2, 2, 2])
    with pytest.raises(InvalidArchitecture, match=r"'layers.0': 'k5'"):
        space.supernet().activate([2, 2, 2])


def test_an_assertion_without_a_message_is_located() -> None:
    space = spaces.from_model(Dividing(), torch.randn(1, 12))
    with pytest.raises(InvalidArchitecture, match=r"\(?AssertionError, test_feasibility.py:\d+"):
        space.architecture({"heads": "3", "groups": "2", "layer": "0"}) and space.architecture(
            {"heads": "2", "groups": "4", "layer": "0"}
        )


def test_a_candidate_that_never_works_is_refused_when_the_space_is_made() -> None:
    # Shapes that depend on each other, so that costs do not add up.
    strides = LayerChoice([nn.Conv2d(3, 3, 1, stride) for stride in (1, 2)], key="stride")
    wrong = LayerChoice(
        {"right": nn.Conv2d(3, 3, 1), "wrong": nn.Conv2d(4, 3, 1)}, key="convolution"
    )
    with pytest.raises(InvalidArchitecture, match="'convolution': 'wrong'"):
        spaces.from_model(nn.Sequential(strides, wrong, nn.Flatten()), EXAMPLE, num_classes=None)


def test_the_first_candidates_may_fail_together() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = ValueChoice([0, 1])
            self.second = ValueChoice([0, 1])

        def forward(self, x: Tensor) -> Tensor:
            assert self.first() + self.second() > 0
            return x

    space = spaces.from_model(Odd(), torch.randn(1, 3))
    assert [codes.tolist() for codes in space.enumerate_codes()] == [[[0, 1], [1, 0], [1, 1]]]
