"""Peak memory of activations by a table's blocks."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

import spaces
from spaces.chains.chain import ChainSpace
from spaces.errors import NotAdditive
from spaces.space import SearchSpace
from tables import LookupTable
from tables.cost.builders import measured_models
from tables.errors import MissingBlock, MissingFigures

MakeTable = Callable[..., LookupTable]


@pytest.fixture(scope="module")
def with_memory(make_table: MakeTable) -> Callable[[SearchSpace], LookupTable]:
    """Makes a table whose blocks hold their input, their output and half of that again."""

    def make(space: SearchSpace) -> LookupTable:
        table = make_table(space, networks=0)
        sizes = {
            key: 4 * int(np.prod(block.input)) + 6 * int(np.prod(block.output))
            for key, block in space.all_blocks.items()
        }
        return replace(
            table,
            blocks={
                k: replace(cost, activation_bytes=sizes[k]) for k, cost in table.blocks.items()
            },
        )

    return make


@pytest.mark.parametrize(
    "name", ["spos-tiny", "nasbench-macro", "ofa-mobilenetv3(resolutions=(32, 64))"]
)
def test_a_network_holds_what_its_largest_block_does(
    name: str, with_memory: Callable[[SearchSpace], LookupTable]
) -> None:
    space = spaces.get(name)
    table = with_memory(space)
    model = table.cost_model(space, "memory_bytes")
    assert (model.metric, model.unit, model.sigma, model.device) == (
        "memory_bytes",
        "bytes",
        0.0,
        "made-up",
    )
    codes = space.sample(np.random.default_rng(0), 40)
    true = [
        max(table.blocks[block.key].activation_bytes or 0 for block in space.blocks(one))
        for one in space.decode(codes)
    ]
    assert model.estimate(codes).tolist() == model.upper(codes).tolist() == true
    least, greatest = model.bounds()
    assert least.value <= min(true) <= max(true) <= greatest.value
    assert model.estimate([least.architecture, greatest.architecture]).tolist() == [
        least.value,
        greatest.value,
    ]


def test_bounds_and_expectation_are_exact(
    tiny: ChainSpace, with_memory: Callable[[SearchSpace], LookupTable]
) -> None:
    model = with_memory(tiny).cost_model(tiny, "memory_bytes")
    every = model.estimate(np.concatenate(list(tiny.enumerate_codes())))
    least, greatest = model.bounds()
    assert model.exact_bounds
    assert (least.value, greatest.value) == (every.min(), every.max())
    uniform = [
        torch.full((int(count),), 1 / int(count), dtype=torch.float64) for count in tiny.candidates
    ]
    assert float(model.expected(uniform)) == pytest.approx(every.mean(), rel=1e-12)


def test_elastic_resolutions_have_no_expectation(
    with_memory: Callable[[SearchSpace], LookupTable],
) -> None:
    space = spaces.get("ofa-mobilenetv3(resolutions=(32, 64))")
    with pytest.raises(NotAdditive, match="are not sums over its choices"):
        with_memory(space).cost_model(space, "memory_bytes").expected([])


def test_what_has_no_figure_is_named(
    tiny: ChainSpace, table: LookupTable, with_memory: Callable[[SearchSpace], LookupTable]
) -> None:
    with pytest.raises(MissingFigures) as caught:
        table.cost_model(tiny, "memory_bytes")
    assert (
        str(caught.value)
        == "the table 'made-up' has no memory_bytes: it was built without figures of its blocks'"
        " activations"
    )
    full = with_memory(tiny)
    first, second, *_ = full.blocks
    some = {
        key: replace(c, activation_bytes=None) if key in (first, second) else c
        for key, c in full.blocks.items()
    }
    with pytest.raises(
        MissingFigures, match=f"it has none for the block '{first}' and 1 more of spos-tiny"
    ):
        replace(full, blocks=some).cost_model(tiny, "memory_bytes")
    rest = {key: cost for key, cost in full.blocks.items() if key != first}
    with pytest.raises(MissingBlock, match=f"lacks the block '{first}'"):
        replace(full, blocks=rest).cost_model(tiny, "memory_bytes")


def test_cells_are_refused(with_memory: Callable[[SearchSpace], LookupTable]) -> None:
    space = spaces.get("nasbench201")
    with pytest.raises(MissingFigures, match="nasbench201 is no chain of blocks"):
        with_memory(space).cost_model(space, "memory_bytes")


def test_a_table_tells_what_it_has(
    tiny: ChainSpace, table: LookupTable, with_memory: Callable[[SearchSpace], LookupTable]
) -> None:
    assert list(measured_models(table, tiny)) == ["latency_ms"]
    found = measured_models(with_memory(tiny), tiny)
    assert {metric: model.metric for metric, model in found.items()} == {
        "latency_ms": "latency_ms",
        "memory_bytes": "memory_bytes",
    }
