"""Costs of blocks from whole networks: their sums are right even where a block's own cost cannot be
known.
"""

from typing import Any

import numpy as np
import pytest

from profiler import Settings, build
from spaces import ChainSpace
from tables import LookupTable
from tables.cost.solving import solve
from tables.schema import check, table_schema

NAMES: dict[str, Any] = {
    "name": "made",
    "device": {"kind": "cpu", "processor": "fake"},
    "conditions": {"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1},
}


def test_sums_are_recovered(fake: Any, tiny: ChainSpace) -> None:
    rng = np.random.default_rng(0)
    codes = tiny.sample(rng, 300).astype(np.int64)
    truth = tiny.additive_table(
        lambda block: fake.truth(block) * (2 if block.operator == "xception" else 1)
    )
    found = solve(tiny, codes, truth(codes) + 0.3)
    fresh = tiny.sample(rng, 200)
    keys, counts = tiny.block_counts(fresh)
    sums = counts @ np.array([found.costs[key] for key in keys])
    assert sums == pytest.approx(truth(fresh) + 0.3, rel=0.01)
    assert min(found.costs.values()) >= 0
    assert found.occurrences[keys[0]] == 300
    assert found.standard_error < 0.01


def test_the_prior_is_the_devices_rate_where_nothing_else_is_known(
    fake: Any, tiny: ChainSpace
) -> None:
    codes = tiny.sample(np.random.default_rng(1), 200).astype(np.int64)
    found = solve(tiny, codes, tiny.additive_table(fake.truth)(codes))
    for key, cost in found.costs.items():
        assert cost == pytest.approx(fake.truth(tiny.all_blocks[key]), rel=0.02)


@pytest.mark.parametrize("count", [60, 250])
def test_sigma_is_the_error_of_networks_that_no_cost_was_solved_from(
    fake: Any, tiny: ChainSpace, count: int
) -> None:
    rng = np.random.default_rng(2)
    codes = tiny.sample(rng, 2000).astype(np.int64)
    sums = tiny.additive_table(fake.truth)(codes)
    # What no sum of blocks explains: each network is faster or slower by itself.
    values = sums * (1 + 0.05 * rng.normal(size=len(codes)))

    solution = solve(tiny, codes[:count], values[:count])
    keys, counts = tiny.block_counts(codes[count:])
    estimates = counts @ np.array([solution.costs[key] for key in keys])

    error = np.sqrt(np.mean((estimates - values[count:]) ** 2))
    assert solution.correction.sigma == pytest.approx(error, rel=0.2)


def test_model_of_a_solved_table_has_the_sigma_of_its_solution(fake: Any, tiny: ChainSpace) -> None:
    device = fake(4, noise=0.05)
    device.times_blocks = False
    table = build(tiny, device, Settings(budget_s=1, fewest_networks=8), **NAMES)
    model = table.cost_model(tiny)
    codes, latencies = table.network_latencies()
    solution = solve(tiny, tiny.check(codes), latencies, table.network_noise())
    assert model.sigma == solution.correction.sigma


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_runtime_that_joins_blocks_is_measured_by_whole_networks(
    fake: Any, tiny: ChainSpace, noise: float
) -> None:
    device = fake(4, noise=noise, drift=lambda number: 1 + 0.2 * np.sin(number / 7))
    device.times_blocks = False
    table = build(tiny, device, Settings(budget_s=20, fewest_networks=120), **NAMES)
    check(table.to_dict(), table_schema())
    assert LookupTable.from_json(table.to_json()) == table
    assert table.measured.blocks == "solved"
    assert {cost.latency_iqr_ms for cost in table.blocks.values()} == {None}
    assert {sample.blocks_ms for sample in table.networks} == {None}
    assert all((cost.samples or 0) >= 3 for cost in table.blocks.values())
    references = tiny.check(np.array(table.measured.reference_codes))
    state = table.measured.reference_ms / (tiny.additive_table(fake.truth)(references).mean() + 0.3)
    every = np.concatenate(list(tiny.enumerate_codes()))
    truth = (tiny.additive_table(fake.truth)(every) + 0.3) * state
    model = table.cost_model(tiny)
    assert np.abs(model.estimate(every) / truth - 1).max() < 0.03
    assert model.block_sum is not None
    assert np.abs(model.block_sum(every) / truth - 1).mean() < 0.03
