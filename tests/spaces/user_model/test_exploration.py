"""Spaces whose architectures are too many to run each."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from torch import Tensor, nn

import spaces
from spaces import LayerChoice
from spaces.user_model.exploration import explore
from spaces.user_model.factors import Placement, factorise
from tests.spaces.user_model.convolutions import EXAMPLE


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
