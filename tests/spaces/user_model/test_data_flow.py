"""Sites of mutables, the flow of tensors, blocks alone and digests of configurations."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import spaces
from spaces import InputChoice, LayerChoice
from spaces.user_model.digest import configuration, digest
from spaces.user_model.sites import sites
from tests.spaces.user_model.convolutions import EXAMPLE, check_counts, convolutions


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
