"""Costs that the service shows of networks of text: both phases, block by block."""

from pathlib import Path

import numpy as np
import pytest

import spaces
from service.catalog.costs import bounds, by_block
from service.catalog.files import FileReference
from spaces.space import SearchSpace
from tables.lookup_table import BlockCost, LookupTable, Measurement

LENGTHS = {"prompt": 12, "cache": 10}


@pytest.fixture
def space() -> SearchSpace:
    return spaces.get("decoder-tiny")


@pytest.fixture
def reference(space: SearchSpace, tmp_path: Path) -> FileReference:
    """A table whose blocks take a millisecond for each thousand MACs."""
    phases = [space.at_phase("prefill", 12), space.at_phase("decode", 10)]
    blocks = {key: block for phase in phases for key, block in phase.all_blocks.items()}
    measurement = Measurement(
        rounds=8,
        seconds=1.0,
        budget_s=1.0,
        stopped_by="budget",
        standard_error=0.01,
        reference_codes=((0,) * len(space.choices),),
        reference_ms=3.0,
        phases={"prefill": 2.0, "decode": 1.0},
    )
    table = LookupTable(
        name="text",
        space=space.name,
        device={"kind": "cpu", "processor": "made-up"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1, **LENGTHS},
        versions={},
        created="2026-11-30T00:00:00+00:00",
        command="made up",
        seed=0,
        measurement=measurement,
        blocks={
            key: BlockCost(block.macs / 1000, None, 3, block.macs, block.params)
            for key, block in blocks.items()
        },
        networks=(),
    )
    table.save(tmp_path / "text.json")
    return FileReference.from_path("text", tmp_path / "text.json")


def test_blocks_of_both_phases_add_up(space: SearchSpace, reference: FileReference) -> None:
    architecture = space.sample(np.random.default_rng(0))
    costs = by_block(architecture, reference).to_dict()

    count = len(space.blocks(architecture))
    assert len(costs["blocks"]) == 2 * count
    for phase, blocks in (
        ("prefill_ms", costs["blocks"][:count]),
        ("decode_ms", costs["blocks"][count:]),
    ):
        assert sum(block["latency_ms"] for block in blocks) == pytest.approx(costs[phase])
        assert sum(block["share"] for block in blocks) == pytest.approx(1)
    assert costs["latency_ms"] is None
    assert costs["memory_bytes"] == space.weight_bytes(architecture) + space.cache_bytes(
        architecture, 10
    )


def test_bounds_have_both_latencies(space: SearchSpace, reference: FileReference) -> None:
    found = bounds(space.name, reference)
    assert set(found) == {"prefill_ms", "decode_ms", "memory_bytes", "macs", "params"}
    assert found["decode_ms"].greatest < found["prefill_ms"].greatest
