"""Corrections of costs that were solved from whole networks: sigma is that of other networks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from spaces import ChainSpace
from spaces.space import SearchSpace
from tables import CostModel, LookupTable
from tables.cost.solving import solve
from tables.cost.sums import block_sums
from tables.lookup_table import BlockCost, NetworkSample

MakeTable = Callable[..., LookupTable]

SEEDS = range(6)
WATTS = 7.0


@dataclass
class FusingRuntime:
    """A made-up runtime whose networks deviate from sums of blocks by 5%, each by itself.

    Args:
        space: Space of the networks.
        seed: Seed of the networks and of their times.
    """

    space: SearchSpace
    seed: int

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        costs = {
            key: (0.05 + block.macs / 1e6) * np.exp(0.3 * rng.normal())
            for key, block in self.space.all_blocks.items()
        }
        codes = np.unique(self.space.sample(rng, 1200), axis=0)
        self.codes = np.asfortranarray(rng.permutation(codes))
        sums = block_sums(self.space, lambda block: costs[block.key])(self.codes)
        self.times = sums * (1 + 0.05 * rng.normal(size=len(self.codes)))

    def table(self, make_table: MakeTable, count: int) -> LookupTable:
        """The table that a build of the first `count` networks writes, with their energies."""
        solution = solve(self.space, self.codes[:count].astype(np.int64), self.times[:count])
        blocks = {
            key: BlockCost(
                solution.costs[key], None, solution.occurrences[key], block.macs, block.params
            )
            for key, block in self.space.all_blocks.items()
        }
        samples = tuple(
            NetworkSample(tuple(row), 0, (ms,), 1.0, energy_mj=WATTS * ms)
            for row, ms in zip(
                self.codes[:count].tolist(), self.times[:count].tolist(), strict=True
            )
        )
        table = make_table(self.space)
        measurement = replace(table.measured, blocks="solved")
        return replace(table, measurement=measurement, blocks=blocks, networks=samples)

    def unseen_errors(self, model: CostModel, count: int, factor: float = 1.0) -> np.ndarray:
        """Errors of a model on the networks after the first `count`, in sigmas."""
        assert model.sigma is not None
        unseen = np.asfortranarray(self.codes[count:])
        errors: np.ndarray = model.estimate(unseen) - factor * self.times[count:]
        return errors / model.sigma


def deviations(
    make_table: MakeTable, space: SearchSpace, count: int, metric: str, kind: str
) -> Iterator[np.ndarray]:
    """Errors on unseen networks in sigmas, of several runtimes."""
    factor = WATTS if metric == "energy_mj" else 1.0
    for seed in SEEDS:
        runtime = FusingRuntime(space, seed)
        model = runtime.table(make_table, count).cost_model(space, metric, kind)
        yield runtime.unseen_errors(model, count, factor)


def check_covers(errors: np.ndarray) -> None:
    """Of normal errors 68% and 95% are within one and two deviations."""
    assert 0.60 < np.mean(np.abs(errors) <= 1) < 0.80
    assert np.mean(np.abs(errors) <= 2) > 0.90


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        ("latency_ms", "linear"),
        ("latency_ms", "mlp"),
        ("latency_ms", "best"),
        ("energy_mj", "ridge"),
        ("energy_mj", "linear"),
    ],
)
def test_sigma_covers_networks_that_no_cost_was_solved_from(
    make_table: MakeTable, tiny: ChainSpace, metric: str, kind: str
) -> None:
    errors = np.concatenate(list(deviations(make_table, tiny, 32, metric, kind)))

    check_covers(errors)


@pytest.mark.slow
def test_sigma_of_a_recurrent_network_covers_unseen_networks(
    make_table: MakeTable, tiny: ChainSpace
) -> None:
    errors = np.concatenate(list(deviations(make_table, tiny, 32, "latency_ms", "lstm")))

    check_covers(errors)


@pytest.mark.parametrize("metric", ["latency_ms", "energy_mj"])
def test_sigma_covers_networks_of_a_space_without_sums_over_choices(
    make_table: MakeTable, coupled: Callable[[int], SearchSpace], metric: str
) -> None:
    errors = np.concatenate(list(deviations(make_table, coupled(7), 40, metric, "linear")))

    check_covers(errors)


def test_best_compares_errors_of_networks_that_are_left_out(
    make_table: MakeTable, tiny: ChainSpace
) -> None:
    runtime = FusingRuntime(tiny, 0)
    table = runtime.table(make_table, 60)

    correction = table.cost_model(tiny, correction="best").correction

    assert correction is not None
    residuals = {
        kind: table.cost_model(tiny, correction=kind).correction for kind in ("linear", "mlp")
    }
    for kind, alone in residuals.items():
        assert alone is not None
        assert correction.scores[kind] == pytest.approx(alone.residual)
    # The ridge is the solution itself, whose residuals leave out one network at a time.
    solution = solve(tiny, runtime.codes[:60].astype(np.int64), runtime.times[:60]).correction
    assert correction.scores["ridge"] == pytest.approx(solution.residual, rel=0.25)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_disturbed_networks_are_in_neither_solution_nor_correction(
    make_table: MakeTable, tiny: ChainSpace, kind: str
) -> None:
    runtime = FusingRuntime(tiny, 1)
    clean = runtime.table(make_table, 60)
    slow = runtime.times[[60, 61]] * 20
    rows = runtime.codes[[60, 61]].tolist()
    disturbed = tuple(
        NetworkSample(tuple(row), 0, (ms,), 1.0)
        for row, ms in zip(rows, slow.tolist(), strict=True)
    )

    model = replace(clean, networks=clean.networks + disturbed).cost_model(tiny, correction=kind)

    assert model.correction is not None
    assert (model.correction.count, model.correction.outliers) == (60, 2)
    undisturbed = clean.cost_model(tiny, correction=kind)
    unseen = np.asfortranarray(runtime.codes[62:])
    assert model.estimate(unseen) == pytest.approx(undisturbed.estimate(unseen))
