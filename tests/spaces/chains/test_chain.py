"""Chains of blocks: counts, costs, and candidates of none, one and several blocks."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

import spaces
from spaces import Block, ChainSpace, ChoiceLayer
from spaces.modules.network import release_initialiser


def chain(name: str) -> ChainSpace:
    space = spaces.get(name)
    assert isinstance(space, ChainSpace)
    return space


def depths() -> ChainSpace:
    """A space whose choices put no block, one, or two equal ones."""
    stem = Block("conv", (3, 8, 8), (8, 8, 8), 3, None, 1, "relu")
    same = Block("conv", (8, 8, 8), (8, 8, 8), 3, None, 1, "relu")
    other = Block("shuffle", (8, 8, 8), (8, 8, 8), 5, 4, 1, "relu")

    def classifier(classes: int) -> Block:
        return Block("classifier", (8, 8, 8), (classes,))

    candidates = {"none": (), "one": (same,), "two": (same, same), "mixed": (other, same)}
    layers = [ChoiceLayer("first", candidates), ChoiceLayer("second", candidates)]
    layout = [stem, layers[0], same, same, layers[1], classifier(10)]
    return ChainSpace("depths", layout, (3, 8, 8), 10, classifier, lambda: release_initialiser)


@pytest.mark.parametrize(
    "space", [depths(), chain("spos-tiny"), chain("spos")], ids=lambda space: space.name
)
def test_counts_of_blocks_give_the_costs(space: ChainSpace) -> None:
    codes = space.sample(np.random.default_rng(0), 64)
    keys, counts = space.block_counts(codes)
    assert len(keys) == len(set(keys)) == len(space.all_blocks)
    assert counts.shape == (64, len(keys))
    blocks = [Block.from_key(key) for key in keys]
    assert np.array_equal(counts @ np.array([block.macs for block in blocks]), space.macs(codes))
    assert np.array_equal(
        counts @ np.array([block.params for block in blocks]), space.params(codes)
    )
    for row, architecture in zip(counts, space.decode(codes), strict=True):
        listed = [block.key for block in space.blocks(architecture)]
        assert {key: count for key, count in zip(keys, row.tolist(), strict=True) if count} == {
            key: listed.count(key) for key in listed
        }


@pytest.mark.parametrize(
    "space", [depths(), chain("spos-tiny"), chain("spos")], ids=lambda space: space.name
)
def test_one_architecture_and_many_cost_the_same(space: ChainSpace) -> None:
    codes = space.sample(np.random.default_rng(1), 10)
    architectures = space.decode(codes)
    for method, field in ((space.macs, "macs"), (space.params, "params")):
        many = method(codes)
        assert many.dtype == np.int64
        assert method(architectures).tolist() == many.tolist()
        assert [method(architecture) for architecture in architectures] == many.tolist()
        sums = [
            sum(getattr(block, field) for block in space.blocks(item)) for item in architectures
        ]
        assert sums == many.tolist()
    assert type(space.macs(architectures[0])) is type(space.params(architectures[0])) is int
    assert json.dumps(space.macs(architectures[0])) == str(space.macs(architectures[0]))


def test_no_architectures_cost_nothing() -> None:
    space = chain("spos-tiny")
    assert space.macs([]).tolist() == space.params(np.empty((0, 6), dtype=np.int8)).tolist() == []
    assert space.block_counts(np.empty((0, 6), dtype=np.int8))[1].shape == (0, 27)


@given(codes=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_candidates_of_several_blocks_are_executed_in_order(codes: tuple[int, int]) -> None:
    space = depths()
    architecture = space.architecture(codes)
    network, supernet = space.network(architecture), space.supernet()
    assert len(space.blocks(architecture)) == 4 + sum((0, 1, 2, 2)[code] for code in codes)
    assert space.params(architecture) == sum(value.numel() for value in network.parameters())
    x = torch.zeros(1, 3, 8, 8)
    supernet.activate(architecture)
    for module in (network, supernet):
        with FlopCounterMode(display=False) as counter:
            assert module.eval()(x).shape == (1, 10)
        assert counter.get_total_flops() == 2 * space.macs(architecture)


def test_expected_macs_are_the_mean_over_uniform_samples() -> None:
    space = chain("spos-tiny")
    table = space.additive_table(lambda block: block.macs)
    uniform = [torch.full((4,), 0.25, dtype=torch.float64)] * 6
    every = np.concatenate(list(space.enumerate_codes()))
    assert table.expected(uniform).item() == pytest.approx(space.macs(every).mean(), rel=1e-12)


def test_classes_of_a_network_do_not_change_the_counts_of_the_space() -> None:
    space = chain("spos-tiny")
    architecture = space.architecture([0, 1, 2, 3, 0, 1])
    before = space.macs(architecture)
    x = torch.zeros(2, 3, 32, 32)
    for classes, expected in ((None, 10), (10, 10), (7, 7)):
        assert space.network(architecture, classes).eval()(x).shape == (2, expected)
        supernet = space.supernet(classes)
        supernet.activate(architecture)
        assert supernet.eval()(x).shape == (2, expected)
    assert space.macs(architecture) == before
    ten, seven = space.layout_for(None), space.layout_for(7)
    assert ten[:-1] == seven[:-1]
    assert seven[-1] == Block("classifier", (256, 2, 2), (7,))
