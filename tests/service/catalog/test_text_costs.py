"""Costs that the service shows of networks of text: both phases, block by block."""

from pathlib import Path

import numpy as np
import pytest

import spaces
from service.catalog.costs import bounds, by_block
from service.catalog.files import FileReference
from spaces.space import SearchSpace
from tests.service.text_tables import decoder_table


@pytest.fixture
def space() -> SearchSpace:
    return spaces.get("decoder-tiny")


@pytest.fixture
def reference(space: SearchSpace, tmp_path: Path) -> FileReference:
    decoder_table(space).save(tmp_path / "text.json")
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
    assert [block["phase"] for block in costs["blocks"]] == ["prefill"] * count + ["decode"] * count
    assert costs["memory_bytes"] == space.weight_bytes(architecture) + space.cache_bytes(
        architecture, 10
    )


def test_bounds_have_both_latencies(space: SearchSpace, reference: FileReference) -> None:
    found = bounds(space.name, reference)
    assert set(found) == {"prefill_ms", "decode_ms", "memory_bytes", "macs", "params"}
    assert found["decode_ms"].greatest < found["prefill_ms"].greatest
