"""What a search's loss can aim at."""

import dataclasses

import numpy as np
import pytest

from oneshot.algorithms.hardware import cost_of, uniform_cost
from oneshot.errors import InvalidObjective
from spaces import ChainSpace
from tables import LookupTable
from tables.errors import MissingFigures


def test_targets_are_metrics_of_tables_and_counts(table: LookupTable, tiny: ChainSpace) -> None:
    codes = tiny.sample(np.random.default_rng(3), 20)
    for text in ("flops", "macs", "params"):
        cost = cost_of(text, tiny, lambda name: pytest.fail(name))
        assert (
            cost.estimate(codes).tolist()
            == (tiny.params if text == "params" else tiny.macs)(codes).tolist()
        )
    cost = cost_of("latency_ms@made-up", tiny, lambda name: table)
    assert np.allclose(cost.estimate(codes), table.cost_model(tiny, "latency_ms").estimate(codes))
    every = np.concatenate(list(tiny.enumerate_codes()))
    assert float(uniform_cost(cost)) == pytest.approx(cost.estimate(every).mean(), rel=1e-9)
    for text, said in (
        ("accuracy", "is no cost"),
        ("latency_ms", "name its table"),
        ("flops@x", "a count needs no table"),
    ):
        with pytest.raises(InvalidObjective, match=said):
            cost_of(text, tiny, lambda name: table)


def test_energy_is_read_off_whole_networks(table: LookupTable, tiny: ChainSpace) -> None:
    """Energies that are power times latency, plus what candidates draw beyond it, are found
    again.
    """
    codes = np.array([sample.codes for sample in table.networks])
    latencies = table.cost_model(tiny, "latency_ms", correction="none").estimate(tiny.check(codes))
    energies = 7.0 * latencies + 0.2 * codes[:, 0]
    networks = tuple(
        dataclasses.replace(sample, energy_mj=float(energy))
        for sample, energy in zip(table.networks, energies, strict=True)
    )
    cost = cost_of(
        "energy_mj@made-up", tiny, lambda name: dataclasses.replace(table, networks=networks)
    )
    assert (cost.metric, cost.unit) == ("energy_mj", "mJ")
    fresh = tiny.sample(np.random.default_rng(9), 200)
    plain = table.cost_model(tiny, "latency_ms", correction="none").estimate(fresh)
    assert np.allclose(cost.estimate(fresh), 7.0 * plain + 0.2 * fresh[:, 0], rtol=0.02)
    assert float(uniform_cost(cost)) > 0


def test_a_table_without_energy_is_refused(table: LookupTable, tiny: ChainSpace) -> None:
    with pytest.raises(
        MissingFigures, match="'made-up' has no energy_mj: the device reported none"
    ):
        cost_of("energy_mj@made-up", tiny, lambda name: table)
