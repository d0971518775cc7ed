"""The numbers that the SPOS paper and its release state."""

import numpy as np
import pytest

import spaces
from spaces import Block, ChainSpace
from spaces.errors import InvalidParameter

OPERATORS = (("shuffle", 3), ("shuffle", 5), ("shuffle", 7), ("xception", 3))
PUBLISHED = (2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3)

# Inputs, outputs, hidden, input side, stride of a block, and its MACs with kernel 3, 5, 7 and as
# xception.
MACS = [
    (16, 64, 32, 112, 2, (13396992, 15805440, 19418112, 13146112)),
    (64, 64, 32, 56, 1, (7325696, 8931328, 11339776, 12343296)),
    (64, 160, 80, 56, 2, (26304768, 28111104, 30820608, 20296192)),
    (160, 160, 80, 28, 1, (10599680, 11603200, 13108480, 16746240)),
    (160, 320, 160, 28, 2, (30670080, 31673600, 33178880, 21199360)),
    (320, 320, 160, 14, 1, (10317440, 10819200, 11571840, 15899520)),
    (320, 640, 320, 14, 2, (30387840, 30889600, 31642240, 20634880)),
    (640, 640, 320, 7, 1, (10176320, 10427200, 10803520, 15476160)),
]


@pytest.fixture(scope="module")
def spos() -> ChainSpace:
    space = spaces.get("spos")
    assert isinstance(space, ChainSpace)
    return space


@pytest.mark.parametrize(("inputs", "outputs", "hidden", "side", "stride", "expected"), MACS)
def test_block_macs_are_those_of_the_official_table(
    inputs: int, outputs: int, hidden: int, side: int, stride: int, expected: tuple[int, ...]
) -> None:
    shapes = (inputs, side, side), (outputs, side // stride, side // stride)
    counted = [
        Block(operator, *shapes, kernel, hidden, stride, "relu").macs
        for operator, kernel in OPERATORS
    ]
    assert counted == list(expected)


def test_space_consists_of_the_blocks_of_the_official_table(spos: ChainSpace) -> None:
    expected = {
        Block(
            operator,
            (inputs, side, side),
            (outputs, side // stride, side // stride),
            kernel,
            hidden,
            stride,
            "relu",
        )
        for inputs, outputs, hidden, side, stride, _ in MACS
        for operator, kernel in OPERATORS
    }
    found = {
        block
        for layer in spos.choice_layers
        for blocks in layer.candidates.values()
        for block in blocks
    }
    assert found == expected


def test_fixed_blocks_have_the_costs_of_the_official_table(spos: ChainSpace) -> None:
    stem, *rest = spos.fixed_blocks
    assert stem.macs == 5419008
    assert sum(block.macs for block in rest) == 33136640


def test_layers_are_named_and_placed_as_in_the_release(spos: ChainSpace) -> None:
    assert [choice.key for choice in spos.choices] == [f"layer_{index}" for index in range(1, 21)]
    assert {choice.candidates for choice in spos.choices} == {("k3", "k5", "k7", "xcep")}
    assert spos.size == 4**20
    strided = [
        index
        for index, layer in enumerate(spos.choice_layers)
        if layer.candidates["k3"][0].stride == 2
    ]
    assert strided == [0, 4, 8, 16]


def test_macs_of_uniform_networks(spos: ChainSpace) -> None:
    uniform = np.repeat(np.arange(4), 20).reshape(4, 20)
    assert spos.macs(uniform).tolist() == [295842496, 313654976, 340373696, 358825920]


def test_published_architecture(spos: ChainSpace) -> None:
    architecture = spos.architecture(PUBLISHED)
    network = spos.network(architecture)
    weights = [value.numel() for value in network.parameters() if value.ndim > 1]
    assert spos.macs(architecture) == 322918720
    assert sum(weights) == 3529312
    assert spos.params(architecture) == sum(value.numel() for value in network.parameters())


def test_range_of_macs(spos: ChainSpace) -> None:
    (least, lightest), (greatest, heaviest) = spos.additive_table(
        lambda block: block.macs, np.int64
    ).bounds()
    assert (round(least / 1e6, 2), round(greatest / 1e6, 2)) == (270.36, 398.61)
    assert spos.macs(np.stack([lightest, heaviest])).tolist() == [least, greatest]


def test_distribution_of_macs_over_uniform_samples(spos: ChainSpace) -> None:
    macs = spos.macs(spos.sample(np.random.default_rng(0), 100_000))
    assert macs.mean() == pytest.approx(327.2e6, abs=0.2e6)
    assert (macs <= 330e6).mean() == pytest.approx(0.59, abs=0.01)


def test_input_size_changes_macs_and_not_parameters(spos: ChainSpace) -> None:
    large = spaces.get("spos", input_size=448)
    architecture, other = spos.architecture(PUBLISHED), large.architecture(PUBLISHED)
    linear = 1024 * 1000
    assert large.params(other) == spos.params(architecture)
    assert large.macs(other) - linear == 4 * (spos.macs(architecture) - linear)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"repeats": (4, 4)}, r"repeats and channels.*\(4, 4\)"),
        ({"repeats": (), "channels": ()}, "repeats and channels"),
        ({"channels": (64, 160, 320, 642)}, "642"),
        ({"stem_channels": 15}, "stem_channels.*15"),
        ({"channels": (64, 160, 160, 640)}, "160 channels cannot follow"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(parameters: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        spaces.get("spos", **parameters)
