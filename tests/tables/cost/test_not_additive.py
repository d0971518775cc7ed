"""Cost models of spaces whose costs are no sums over their choices."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from spaces.errors import NotAdditive
from spaces.space import SearchSpace
from tables import LookupTable
from tables.cost.model import counting_model
from tables.errors import MissingBlock

MakeSpace = Callable[[int], SearchSpace]
MakeTable = Callable[..., LookupTable]


def every(space: SearchSpace) -> np.ndarray:
    return np.concatenate(list(space.enumerate_codes()))


@pytest.mark.parametrize("metric", ["macs", "params", "flops"])
def test_counts_are_exact(coupled: MakeSpace, metric: str) -> None:
    space = coupled(5)
    model = counting_model(space, metric)
    codes = every(space)
    true = [
        sum(
            getattr(block, "params" if metric == "params" else "macs")
            for block in space.blocks(one)
        )
        for one in space.decode(codes)
    ]
    assert model.estimate(codes).tolist() == true
    least, greatest = model.bounds()
    assert model.exact_bounds
    assert (least.value, greatest.value) == (min(true), max(true))
    assert model.estimate([least.architecture, greatest.architecture]).tolist() == [
        min(true),
        max(true),
    ]


def test_latency_is_the_sum_of_the_blocks_that_occur(
    coupled: MakeSpace, make_table: MakeTable
) -> None:
    space = coupled(5)
    table = make_table(space, networks=0)
    model = table.cost_model(space)
    codes = space.sample(np.random.default_rng(1), 30)
    plain = [
        sum(table.blocks[block.key].latency_ms for block in space.blocks(one))
        for one in space.decode(codes)
    ]
    assert model.estimate(codes) == pytest.approx(np.array(plain), rel=1e-12)
    assert model.sigma is None
    assert [model.estimate(codes[row : row + 1])[0] for row in range(30)] == model.estimate(
        codes
    ).tolist()
    assert model.estimate(codes[:0]).shape == (0,)


def test_the_correction_leans_on_block_counts(coupled: MakeSpace, make_table: MakeTable) -> None:
    """Blocks that cost more, or less, in whole networks than the table says are found."""
    space = coupled(6)
    table = make_table(space, networks=120, noise_ms=0.0005)
    codes, values = table.network_latencies()
    _, counts = space.block_counts(space.check(codes))
    slow = counts @ np.random.default_rng(2).normal(0, 0.01, 9)
    samples = tuple(
        type(sample)(
            sample.codes, sample.round, (sample.latency_ms[0] + more,), sample.reference_ms
        )
        for sample, more in zip(table.networks, slow.tolist(), strict=True)
    )
    table = replace(table, networks=samples)
    model = table.cost_model(space)
    assert model.sigma is not None
    assert model.correction is not None
    assert model.sigma < 0.002 < model.correction.naive_sigma
    assert model.estimate(space.check(codes)) == pytest.approx(values + slow, abs=0.005)
    least, greatest = model.bounds()
    costs = model.estimate(every(space))
    assert (least.value, greatest.value) == (costs.min(), costs.max())


def test_large_spaces_are_searched_for_their_bounds(coupled: MakeSpace) -> None:
    space = coupled(14)
    model = counting_model(space, "macs")
    assert not model.exact_bounds
    least, greatest = model.bounds()
    # All kernels 1 is the least; all 5 the greatest, where the first has 4 channels to read and the
    # others 16.
    assert least.value == space.macs(space.architecture([0] * 14))
    assert greatest.value == space.macs(space.architecture([2] * 14))
    assert model.bounds() == (least, greatest)


def test_there_is_no_expectation(coupled: MakeSpace, make_table: MakeTable) -> None:
    space = coupled(4)
    for model in (counting_model(space, "macs"), make_table(space).cost_model(space)):
        with pytest.raises(NotAdditive, match="costs of coupled-4 are not sums over its choices"):
            model.expected([torch.full((3,), 1 / 3)] * 4)


def test_a_missing_block_is_named(coupled: MakeSpace, make_table: MakeTable) -> None:
    space = coupled(4)
    table = make_table(space, networks=0)
    blocks = {
        key: cost for key, cost in table.blocks.items() if key != "conv k3 s1 relu 8x8x8 -> 4x8x8"
    }
    with pytest.raises(
        MissingBlock, match="lacks the block 'conv k3 s1 relu 8x8x8 -> 4x8x8' of coupled-4"
    ):
        replace(table, blocks=blocks).cost_model(space)


@pytest.mark.parametrize("kind", ["linear", "mlp", "best"])
def test_other_corrections_work_there_too(
    coupled: MakeSpace, make_table: MakeTable, kind: str
) -> None:
    space = coupled(5)
    model = make_table(space, networks=100).cost_model(space, correction=kind)
    codes, values = make_table(space, networks=100).network_latencies()
    assert np.abs(model.estimate(space.check(codes)) - values).mean() < 0.01
