"""Energy of whole networks, by networks whose energy was counted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import spaces
from spaces.chains.chain import ChainSpace
from spaces.errors import UnknownName
from spaces.space import SearchSpace
from tables import LookupTable
from tables.errors import MissingFigures

MakeTable = Callable[..., LookupTable]
WATTS = 7.0


def counted(table: LookupTable, space: SearchSpace, noise: float = 0.0) -> LookupTable:
    """The table with energies of power times latency, and what blocks draw beyond it."""
    codes = space.check(np.array([sample.codes for sample in table.networks]))
    energies = truth(table, space, codes) + np.random.default_rng(5).normal(0, noise, len(codes))
    networks = tuple(
        replace(sample, energy_mj=float(energy))
        for sample, energy in zip(table.networks, energies, strict=True)
    )
    return replace(table, networks=networks)


def truth(table: LookupTable, space: SearchSpace, codes: np.ndarray) -> np.ndarray:
    latencies = table.cost_model(space, "latency_ms", correction="none").estimate(codes)
    _, counts = space.block_counts(codes)
    drawn: np.ndarray = counts @ np.random.default_rng(2).normal(0, 0.1, counts.shape[1])
    return WATTS * latencies + drawn


def test_power_and_what_blocks_draw_beyond_it_are_found(
    make_table: MakeTable, tiny: ChainSpace
) -> None:
    table = counted(make_table(tiny, networks=120), tiny, noise=0.02)
    model = table.cost_model(tiny, "energy_mj")
    assert (model.metric, model.unit, model.device) == ("energy_mj", "mJ", "made-up")
    fresh = tiny.sample(np.random.default_rng(9), 300)
    errors = model.estimate(fresh) - truth(table, tiny, fresh)
    assert model.sigma is not None
    assert model.sigma < 0.08
    # The margin is of the model itself.
    assert 0.5 * model.sigma < np.sqrt(np.mean(errors**2)) + 0.02 < 0.1
    assert model.exact_bounds


def test_without_a_correction_it_is_power_times_latency(
    make_table: MakeTable, tiny: ChainSpace
) -> None:
    table = counted(make_table(tiny), tiny)
    model = table.cost_model(tiny, "energy_mj", "none")
    latency = table.cost_model(tiny, "latency_ms", "none")
    fresh = tiny.sample(np.random.default_rng(9), 50)
    powers = model.estimate(fresh) / latency.estimate(fresh)
    assert powers == pytest.approx(np.full(50, powers[0]))
    assert powers[0] == pytest.approx(WATTS, rel=0.2)
    assert (model.sigma, model.correction) == (None, None)


def test_cells_lean_on_what_their_blocks_are(
    make_table: MakeTable, coupled: Callable[[int], SearchSpace]
) -> None:
    space = coupled(5)
    table = counted(make_table(space, networks=150), space)
    model = table.cost_model(space, "energy_mj")
    fresh = space.sample(np.random.default_rng(9), 100)
    errors = model.estimate(fresh) - truth(table, space, fresh)
    assert np.abs(errors).mean() < 0.1 * truth(table, space, fresh).std()


def test_what_tells_no_energy_is_said(make_table: MakeTable, tiny: ChainSpace) -> None:
    table = make_table(tiny)
    with pytest.raises(MissingFigures) as caught:
        table.cost_model(tiny, "energy_mj")
    assert str(caught.value) == (
        "the table 'made-up' has no energy_mj: the device reported none while it was measured"
    )
    energies = counted(table, tiny)
    few = replace(energies, networks=energies.networks[:7])
    with pytest.raises(
        MissingFigures, match="it has that of 7 networks of spos-tiny; 8 of spos-tiny are needed"
    ):
        few.cost_model(tiny, "energy_mj")
    with pytest.raises(
        MissingFigures, match="80 networks of spos-tiny; 8 of nasbench201 are needed"
    ):
        energies.cost_model(spaces.get("nasbench201"), "energy_mj")
    still = replace(
        energies, networks=tuple(replace(sample, energy_mj=0.0) for sample in energies.networks)
    )
    with pytest.raises(MissingFigures, match="its counter stood still"):
        still.cost_model(tiny, "energy_mj")
    with pytest.raises(UnknownName, match="unknown correction 'best guess'"):
        energies.cost_model(tiny, "energy_mj", "best guess")
