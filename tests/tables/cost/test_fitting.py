"""The kinds of correction: what each can learn, which one cross-validation prefers, what sigma
covers.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from spaces import ChainSpace
from spaces.errors import NotAdditive, UnknownName
from tables import LookupTable
from tables.cost.recurrent import fit_recurrent
from tables.cost.ridge import disturbance_slope, remove_noise
from tables.cost.sums import block_sums
from tables.lookup_table import NetworkSample

MakeTable = Callable[..., LookupTable]
Truth = Callable[[np.ndarray, np.ndarray], np.ndarray]


def measured(
    table: LookupTable,
    space: ChainSpace,
    truth: Truth,
    count: int,
    noise: float,
    runs: int = 1,
    seed: int = 1,
) -> LookupTable:
    """The table with networks that cost `truth(block sums, codes)` and noise (relative) in every
    run.
    """
    rng = np.random.default_rng(seed)
    codes = space.sample(rng, count)
    plain = block_sums(space, lambda block: table.blocks[block.key].latency_ms)(codes)
    times = truth(plain, codes)[:, None] * (1 + noise * rng.normal(size=(count, runs)))
    rows = zip(codes.tolist(), times.tolist(), strict=True)
    return replace(
        table,
        networks=tuple(NetworkSample(tuple(row), 0, tuple(series), 1.0) for row, series in rows),
    )


def scaled(plain: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return 1.3 * plain + 0.2


def bent(plain: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """No sum over choices: two equal neighbours disturb each other."""
    return (
        plain
        + 0.2 * (codes[:, 0] // 2 == codes[:, 1] // 2)
        + 0.2 * (codes[:, 2] // 2 == codes[:, 3] // 2)
    )


def test_linear_finds_a_scale(table: LookupTable, tiny: ChainSpace) -> None:
    model = measured(table, tiny, scaled, 60, 1e-4).cost_model(tiny, correction="linear")
    codes = tiny.sample(np.random.default_rng(9), 200)
    assert model.block_sum is not None
    assert model.estimate(codes) == pytest.approx(scaled(model.block_sum(codes), codes), rel=2e-3)
    found = model.correction
    assert found is not None
    assert (found.kind, found.count) == ("linear", 60)
    # What is a sum over choices has bounds and an expectation.
    assert model.exact_bounds
    least, _ = model.bounds()
    assert model.estimate([least.architecture])[0] == least.value
    even = [torch.full((4,), 0.25, dtype=torch.float64)] * 6
    every = np.concatenate(list(tiny.enumerate_codes()))
    assert model.expected(even).item() == pytest.approx(model.estimate(every).mean())


def test_the_perceptron_learns_what_is_no_sum(table: LookupTable, tiny: ChainSpace) -> None:
    made = measured(table, tiny, bent, 700, 1e-4)
    ridge, mlp = (made.cost_model(tiny, correction=kind) for kind in ("ridge", "mlp"))
    assert ridge.sigma is not None
    assert mlp.sigma is not None
    assert mlp.sigma < 0.6 * ridge.sigma
    codes = tiny.sample(np.random.default_rng(10), 300)
    assert mlp.block_sum is not None
    errors = mlp.estimate(codes) - bent(mlp.block_sum(codes), codes)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(mlp.sigma, rel=0.4)
    with pytest.raises(
        NotAdditive, match="with the correction 'mlp' costs of spos-tiny are not sums"
    ):
        mlp.expected([torch.full((4,), 0.25)] * 6)
    least, greatest = mlp.bounds()
    assert mlp.estimate([least.architecture, greatest.architecture]) == pytest.approx(
        [least.value, greatest.value]
    )


@pytest.mark.slow
def test_the_recurrent_network_learns_what_is_no_sum(table: LookupTable, tiny: ChainSpace) -> None:
    """Neighbours disturb each other, which a network that reads them in turn can learn."""
    made = measured(table, tiny, bent, 700, 1e-4)

    ridge, lstm = (made.cost_model(tiny, correction=kind) for kind in ("ridge", "lstm"))

    assert ridge.sigma is not None
    assert lstm.sigma is not None
    assert lstm.sigma < 0.8 * ridge.sigma
    codes = tiny.sample(np.random.default_rng(10), 300)
    assert lstm.block_sum is not None
    errors = lstm.estimate(codes) - bent(lstm.block_sum(codes), codes)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(lstm.sigma, rel=0.5)


def test_the_recurrent_network_depends_on_its_seed_alone() -> None:
    rng = np.random.default_rng(0)
    costs = rng.uniform(1, 2, (40, 4))
    values = costs.sum(1) + 0.5 * costs[:, 0] * costs[:, 1]
    state = torch.random.get_rng_state()

    first, again, other = (fit_recurrent(costs, values, seed)(costs) for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.abs(first - values).max() < 0.1 * np.ptp(values - costs.sum(1))


@pytest.mark.parametrize(
    ("truth", "count", "expected"), [(scaled, 40, "linear"), (bent, 700, "mlp")]
)
def test_the_best_is_picked_by_cross_validation(
    table: LookupTable, tiny: ChainSpace, truth: Truth, count: int, expected: str
) -> None:
    made = measured(table, tiny, truth, count, 1e-3)
    found = made.cost_model(tiny, correction="best").correction
    assert found is not None
    assert set(found.scores) == {"ridge", "linear", "mlp"}
    assert found.kind == expected == min(found.scores, key=lambda kind: found.scores[kind])
    assert found.residual == pytest.approx(found.scores[expected])
    alone = made.cost_model(tiny, correction=expected)
    codes = tiny.sample(np.random.default_rng(11), 20)
    assert np.array_equal(
        made.cost_model(tiny, correction="best").estimate(codes), alone.estimate(codes)
    )


def test_none_is_the_block_sum(table: LookupTable, tiny: ChainSpace) -> None:
    model = table.cost_model(tiny, correction="none")
    assert (model.sigma, model.correction, model.table) == (None, None, model.block_sum)


def test_an_unknown_correction_is_named(table: LookupTable, tiny: ChainSpace) -> None:
    with pytest.raises(
        UnknownName, match="unknown correction 'cubic'; available: none, best, ridge, linear, mlp"
    ):
        table.cost_model(tiny, correction="cubic")


@pytest.mark.parametrize("kind", ["ridge", "linear"])
@pytest.mark.parametrize("runs", [3, 6, 12])
def test_sigma_is_without_the_noise_of_single_samples(
    table: LookupTable, tiny: ChainSpace, kind: str, runs: int
) -> None:
    """Networks deviate by 1% from any sum, their runs by 4%: sigma tells about the former, never
    less.
    """
    rng = np.random.default_rng(12)
    own = rng.normal(0, 0.01, tiny.size)
    place = 4 ** np.arange(5, -1, -1)

    def truth(plain: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return plain * (1 + own[codes.astype(int) @ place])

    made = measured(table, tiny, truth, 500, 0.04, runs)
    model = made.cost_model(tiny, correction=kind)
    assert model.correction is not None
    assert model.sigma is not None
    codes = np.concatenate(list(tiny.enumerate_codes()))
    assert model.block_sum is not None
    medians = truth(model.block_sum(codes), codes)
    real = np.sqrt(np.mean((model.estimate(codes) - medians) ** 2))
    assert model.correction.residual > 1.15 * real
    assert model.sigma < 0.9 * model.correction.residual
    # The margin covers medians as a one-sided 95% should.
    assert np.mean(medians <= model.upper(codes)) >= 0.93


def test_runs_that_agree_prove_no_noise(table: LookupTable, tiny: ChainSpace) -> None:
    """Networks that deviate as a whole, all runs alike: nothing may be subtracted."""
    made = measured(table, tiny, scaled, 200, 0.03)
    alike = tuple(replace(sample, latency_ms=sample.latency_ms * 5) for sample in made.networks)
    found = replace(made, networks=alike).cost_model(tiny).correction
    assert found is not None
    assert found.sigma == found.residual


def test_noise_of_the_median_is_not_overstated(table: LookupTable, tiny: ChainSpace) -> None:
    for runs in (1, 2, 3, 4, 5, 8, 12):
        made = measured(table, tiny, scaled, 2000, 0.05, runs)
        codes, values = made.network_latencies()
        plain = block_sums(tiny, lambda block: table.blocks[block.key].latency_ms)(codes)
        true = np.std(values / scaled(plain, codes))
        told = np.mean(made.network_noise() / values)
        assert told <= true * 1.04
        assert runs == 1 or told > 0.6 * true


def test_what_chance_leaves_is_the_floor() -> None:
    assert remove_noise(1.0, 200, np.full(200, 2.0)) == pytest.approx((2 / 200) ** 0.25)
    assert remove_noise(1.0, 200, np.full(200, 0.6)) == pytest.approx(0.8)
    assert remove_noise(1.0, 200, None) == 1.0
    assert remove_noise(0.0, 10, np.zeros(10)) == 0.0


def disturbed(table: LookupTable, space: ChainSpace, shared: float, own: float) -> LookupTable:
    """Networks whose turns are disturbed by 10%, of which their blocks are told a share, and by
    `own` beside.
    """
    rng = np.random.default_rng(13)
    codes = space.sample(rng, 200)
    plain = block_sums(space, lambda block: table.blocks[block.key].latency_ms)(codes)
    turns = np.exp(np.abs(rng.normal(0, 0.1, 200)))
    wholes = (plain + 0.05) * turns**shared * np.exp(rng.normal(0, own, 200))
    blocks = plain * turns
    rows = zip(codes.tolist(), wholes.tolist(), blocks.tolist(), strict=True)
    samples = tuple(
        NetworkSample(tuple(row), 0, (ms,), 1.0, blocks_ms=part) for row, ms, part in rows
    )
    return replace(table, networks=samples)


@pytest.mark.parametrize(("shared", "fewer"), [(1.0, 0.2), (0.5, 0.4)])
def test_what_disturbs_a_networks_blocks_is_divided_out(
    table: LookupTable, tiny: ChainSpace, shared: float, fewer: float
) -> None:
    made = disturbed(table, tiny, shared, 0.002)
    blind = replace(
        made, networks=tuple(replace(sample, blocks_ms=None) for sample in made.networks)
    )
    found, without = made.cost_model(tiny), blind.cost_model(tiny)
    assert found.sigma is not None
    assert without.sigma is not None
    assert found.sigma < fewer * without.sigma
    codes = tiny.sample(np.random.default_rng(14), 200)
    assert found.block_sum is not None
    truth = found.block_sum(codes) + 0.05
    # A disturbance only adds: estimates that do not know of it are too long.
    assert np.abs(found.estimate(codes) / truth - 1).mean() < 0.01
    assert np.mean(without.estimate(codes) / truth - 1) > 0.02


def test_blocks_that_say_nothing_of_the_network_are_not_listened_to(
    table: LookupTable, tiny: ChainSpace
) -> None:
    made = disturbed(table, tiny, 0.0, 0.002)
    model = made.cost_model(tiny)
    assert model.sigma is not None
    assert model.block_sum is not None
    codes = tiny.sample(np.random.default_rng(15), 200)
    assert model.sigma < 0.004 * model.estimate(codes).mean()


def test_a_slope_that_may_be_chance_is_none() -> None:
    rng = np.random.default_rng(16)
    given = rng.normal(0, 0.01, 100)
    assert disturbance_slope(given, 0.7 * given + rng.normal(0, 0.001, 100)) == pytest.approx(
        0.7, abs=0.05
    )
    assert disturbance_slope(given, 3 * given) == 1.0
    assert disturbance_slope(given, -given) == 0.0
    assert disturbance_slope(given, rng.normal(0, 1, 100)) in (0.0, 1.0)
    assert disturbance_slope(np.ones(100), given) == 0.0
