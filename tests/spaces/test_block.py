"""Blocks' keys."""

import itertools

import pytest

import spaces
from spaces import Block, ChainSpace
from spaces.errors import InvalidBlock, UnknownName


def blocks_of(name: str) -> list[Block]:
    space = spaces.get(name)
    assert isinstance(space, ChainSpace)
    choices = [
        block
        for layer in space.choice_layers
        for blocks in layer.candidates.values()
        for block in blocks
    ]
    return [*space.fixed_blocks, *choices]


@pytest.mark.parametrize("name", ["spos", "spos-tiny", "spos(input_size=160, num_classes=10)"])
def test_every_key_reads_back(name: str) -> None:
    blocks = blocks_of(name)
    assert len(blocks) > 20
    for block in blocks:
        read = Block.from_key(block.key)
        assert read == block
        assert (read.macs, read.params, str(read)) == (block.macs, block.params, block.key)


def test_keys_are_equal_only_where_blocks_are() -> None:
    blocks = [
        block for name in ("spos", "spos-tiny", "spos(input_size=192)") for block in blocks_of(name)
    ]
    assert len({block.key for block in blocks}) == len(set(blocks)) < len(blocks)
    for one, other in itertools.product(blocks, repeat=2):
        assert (one.key == other.key) is (one == other)


def test_every_part_of_a_block_is_in_its_key() -> None:
    fields = {
        "operator": ("shuffle", "conv"),
        "input": ((8, 6, 6), (8, 6, 7)),
        "output": ((8, 3, 3), (10,)),
        "kernel": (3, None),
        "hidden": (3, None),
        "stride": (3, None),
        "activation": ("relu", None),
    }
    blocks = [
        Block(operator, shape, output, kernel, hidden, stride, activation)
        for operator, shape, output, kernel, hidden, stride, activation in itertools.product(
            *fields.values()
        )
    ]
    assert len({block.key for block in blocks}) == 2**7
    assert [Block.from_key(block.key) for block in blocks] == blocks


def test_key_reads_as_documented() -> None:
    block = Block(
        "shuffle", (16, 112, 112), (64, 56, 56), kernel=5, hidden=32, stride=2, activation="relu"
    )
    assert block.key == "shuffle k5 m32 s2 relu 16x112x112 -> 64x56x56"
    assert Block("classifier", (256, 2, 2), (10,)).key == "classifier 256x2x2 -> 10"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "shuffle",
        "shuffle k5 m32 s2 relu 16x112x112",
        "shuffle k5 m32 s2 relu 16x112x112 ->",
        "shuffle k5 m32 s2 relu 16x112x112 -> 64x56x56 ",
        "shuffle k5 m32 s2 relu 16x112x112 -> 64x56x56\n",
        "shuffle k5 m32 s2 relu 16x112x112 -> 64x56x",
        "shuffle  k5 m32 s2 relu 16x112x112 -> 64x56x56",
        "shuffle m32 k5 s2 relu 16x112x112 -> 64x56x56",
        "shuffle s2 k5 16x112x112 -> 64x56x56",
        "shuffle k05 m32 s2 relu 16x112x112 -> 64x56x56",
        "shuffle k\u0665 m32 s2 relu 16x112x112 -> 64x56x56",
        "shuffle k-5 m32 s2 relu 16x112x112 -> 64x56x56",
        "Shuffle k5 m32 s2 relu 16x112x112 -> 64x56x56",
    ],
)
def test_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidBlock) as caught:
        Block.from_key(key)
    assert repr(key) in str(caught.value)
    assert "shuffle k5 m32 s2 relu 16x112x112 -> 64x56x56" in str(caught.value)


def test_unknown_operator_is_named() -> None:
    with pytest.raises(UnknownName, match=r"unknown operator 'bogus'; available: .*shuffle"):
        Block.from_key("bogus k5 m32 s2 relu 16x112x112 -> 64x56x56")


def test_blocks_cannot_be_changed() -> None:
    block = Block("classifier", (256, 2, 2), (10,))
    with pytest.raises(AttributeError):
        block.kernel = 3  # type: ignore[misc]


def test_classifier_has_no_bias() -> None:
    block = Block("classifier", (256, 2, 2), (10,))
    assert (block.macs, block.params) == (2560, 2560)
