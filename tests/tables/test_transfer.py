"""Transfer to a new device: what the others tell is used, what they cannot tell is not invented."""

import csv
import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from spaces import ChainSpace
from tables import LookupTable
from tables.errors import InvalidTransfer
from tables.ranks import spearman
from tables.transfer import Parameters, Prior, transferred_model

MakeTable = Callable[..., LookupTable]
FIXED = Parameters(0.05, 1.0)


def family(seed: int, devices: int, networks: int = 400) -> np.ndarray:
    """Devices whose logarithmic costs are mixtures of the same three properties of networks:
    [networks, devices].
    """
    rng = np.random.default_rng(seed)
    properties = rng.normal(size=(networks, 3)) * (1.0, 0.5, 0.3)
    return np.exp(
        0.3 * properties @ rng.uniform(0.2, 1.0, (3, devices))
        + rng.normal(0, 0.005, (networks, devices))
    )


def test_a_mixture_of_known_devices_is_found() -> None:
    costs = family(0, 6)
    prior = Prior(costs[:, :5], parameters=FIXED)
    rows = prior.design()
    found = prior.fit(costs[rows, :5], 7.5 * costs[rows, 5])
    predicted = found.predict(costs[:, :5])
    assert spearman(predicted, costs[:, 5]) > 0.98
    # Milliseconds of the new device, not of the others.
    assert np.median(predicted / (7.5 * costs[:, 5])) == pytest.approx(1, abs=0.05)


def test_units_and_monotone_distortions_of_the_others_do_not_matter() -> None:
    costs = family(1, 5)
    distorted = np.stack(
        [1e3 * costs[:, 0], costs[:, 1] ** 3, np.exp(costs[:, 2]), costs[:, 3]], axis=1
    )
    predictions = []
    for others in (costs[:, :4], distorted):
        prior = Prior(others, parameters=FIXED)
        rows = prior.design()
        predictions.append(prior.fit(others[rows], costs[rows, 4]).predict(others))
    assert np.allclose(*predictions)


def test_the_design_looks_at_no_measurement_and_spreads() -> None:
    costs = family(2, 5)
    prior = Prior(costs, seed=3, parameters=FIXED)
    rows = prior.design(10)
    assert len(set(rows.tolist())) == 10
    assert np.array_equal(rows, Prior(costs, seed=3, parameters=FIXED).design(10))
    level = np.log(costs).mean(1)
    assert np.ptp(level[rows]) > 0.7 * np.ptp(level)


def test_scores_are_normal_quantiles() -> None:
    costs = np.stack([np.arange(1.0, 1001), np.arange(1000.0, 0, -1)], axis=1)
    scores = Prior(costs, parameters=FIXED)._scores(costs)
    assert scores[:, 0] == pytest.approx(norm.ppf((np.arange(1000) + 0.5) / 1000), abs=1e-12)
    assert scores[:, 1] == pytest.approx(scores[::-1, 0])


def test_parameters_are_chosen_by_the_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = family(4, 4, 60)
    chosen = Prior(costs).parameters
    assert chosen == Prior(costs).parameters
    told = [Prior(costs, parameters=parameters) for parameters in (chosen, Parameters(0.2, 0.3))]

    def mean(parameters: Parameters) -> float:
        scores = []
        for device in range(4):
            others = np.delete(costs, device, axis=1)
            prior = Prior(others, parameters=parameters)
            rows = prior.design()
            found = prior.fit(others[rows], costs[rows, device])
            scores.append(spearman(found.predict(others), costs[:, device]))
        return float(np.mean(scores))

    assert mean(told[0].parameters) >= mean(told[1].parameters) - 1e-9


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        (np.ones((50, 1)), "costs: .*50, 1"),
        (np.ones((19, 3)), "costs: .*19, 3"),
        (np.zeros((50, 3)), "costs: .* above 0"),
        (np.full((50, 3), np.nan), "costs: .* above 0"),
    ],
)
def test_bad_costs_are_refused(costs: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidTransfer, match=said):
        Prior(costs)


def test_bad_times_are_refused() -> None:
    prior = Prior(family(5, 3), parameters=FIXED)
    rows = prior.costs[:4]
    for times in (np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0])):
        with pytest.raises(InvalidTransfer, match="latency_ms: at least 3"):
            prior.fit(rows[: len(times)] if len(times) < 3 else rows, times)
    with pytest.raises(InvalidTransfer, match=r"latency_ms: .* above 0"):
        prior.fit(rows, np.array([1.0, 0.0, 2.0, 3.0]))


def test_a_cost_model_of_a_new_device(make_table: MakeTable, tiny: ChainSpace) -> None:
    """Three devices that weigh kinds of blocks differently tell about a fourth."""
    base = make_table(tiny)

    def device(name: str, shuffle: float, xception: float) -> LookupTable:
        factors = {"shuffle": shuffle, "xception": xception}
        blocks = {
            key: replace(cost, latency_ms=cost.latency_ms * factors.get(key.split()[0], 1.0))
            for key, cost in base.blocks.items()
        }
        return replace(base, name=name, blocks=blocks, networks=())

    sources = [device("a", 1, 3), device("b", 3, 1), device("c", 1, 1)]
    new = device("new", 2, 5).cost_model(tiny)
    codes = tiny.sample(np.random.default_rng(0), 10)
    model = transferred_model(
        tiny,
        [table.cost_model(tiny) for table in sources],
        codes,
        new.estimate(codes),
        name="new",
        networks=300,
    )
    fresh = tiny.sample(np.random.default_rng(1), 300)
    assert spearman(model.estimate(fresh), new.estimate(fresh)) > 0.95
    assert np.abs(model.estimate(fresh) / new.estimate(fresh) - 1).mean() < 0.06
    assert model.sigma is not None
    assert 0 < model.sigma < 0.3 * new.estimate(fresh).mean()
    assert (model.device, model.unit) == ("new", "ms")
    least, greatest = model.bounds()
    assert least.value < greatest.value


@pytest.mark.reference_data
def test_ten_measurements_rank_an_unseen_device(reference_data: Path) -> None:
    """Eyeriss is unlike most of HELP's devices; the benchmark has all nine, with parameters chosen
    by the others.
    """
    with gzip.open(reference_data / "nasbench201" / "latency_ms.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("index", "eyeriss")]
    others = np.array([[float(row[name]) for name in names] for row in rows])
    truth = np.array([float(row["eyeriss"]) for row in rows])
    prior = Prior(others, parameters=FIXED)
    design = prior.design()
    unseen = np.setdiff1d(np.arange(len(truth)), design)
    found = prior.fit(others[design], truth[design])
    assert spearman(found.predict(others[unseen]), truth[unseen]) > 0.95
    # No other device ranks like it.
    assert max(spearman(column, truth) for column in others.T) < 0.9
