"""The network that is taken: the best one that keeps its limits when it is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from oneshot.compression import costs
from oneshot.compression.choosing import choose_network, sample_near
from oneshot.compression.costs import MeasuredDevice
from oneshot.compression.network_times import NetworkTimes
from oneshot.compression.refinement import SearchedDevice
from oneshot.compression.settings import CompressionSettings
from oneshot.errors import Infeasible
from oneshot.search.constraint import Constraint, Limit
from spaces.elastic import ElasticSpace, from_network
from spaces.elastic.sampling import sample_sizes
from spaces.progress import Progress, silent

pytest.importorskip("torch_pruning")


@pytest.fixture(scope="module")
def space() -> ElasticSpace:
    """The space of two layers."""
    network = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 2))
    return from_network(network, torch.zeros(1, 8), "elastic-chosen")


class MostMacs:
    """Scores networks by their multiply-accumulates."""

    def __init__(self, space: ElasticSpace):
        self.space = space

    def scores(self, codes: np.ndarray, progress: Progress = silent) -> list[float]:
        return self.space.macs(codes).astype(float).tolist()


def choose(space: ElasticSpace, least_reduction: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Choose where networks keep their limit only if the first width is narrow enough."""
    limit = Limit("macs", space.macs(space.original) * 0.7).bind(space, pytest.fail)
    codes = sample_near(space, [limit], np.random.default_rng(0), 20)
    measured: list[np.ndarray] = []

    def verify(rows: np.ndarray) -> np.ndarray:
        measured.append(rows)
        return np.asarray(rows[:, 0] >= least_reduction)

    settings = replace(CompressionSettings(), checked=2)
    choice = choose_network(space, [limit], MostMacs(space), settings, codes, verify=verify)  # type: ignore[arg-type]
    return choice.codes, measured


def test_network_that_misses_its_limit_when_measured_is_not_taken(space: ElasticSpace) -> None:
    free, measured = choose(space, 0)
    narrow, measured_more = choose(space, 5)

    assert len(measured) == 1
    assert narrow[0] >= 5 > free[0]
    # From the best score downwards, so that no better network was passed over.
    tried = np.concatenate(measured_more)
    macs = space.macs(tried)
    assert (np.diff(macs) <= 0).all()
    assert space.macs(narrow[None])[0] == macs[tried[:, 0] >= 5].max()


def test_limit_that_no_measured_network_keeps_is_refused(space: ElasticSpace) -> None:
    with pytest.raises(Infeasible, match="keeps its limits when it is measured"):
        choose(space, 99)


def test_second_search_follows_refined_estimates(space: ElasticSpace) -> None:
    loose, tight = [
        Limit("macs", space.macs(space.original) * fraction).bind(space, pytest.fail)
        for fraction in (0.7, 0.4)
    ]
    codes = sample_near(space, [loose], np.random.default_rng(0), 20)
    refined: list[np.ndarray] = []

    def refine(rows: np.ndarray) -> list[Constraint]:
        refined.append(rows)
        return [tight]

    settings = replace(CompressionSettings(), checked=4)
    choice = choose_network(
        space,
        [loose],
        MostMacs(space),
        settings,
        codes,
        refine=refine,  # type: ignore[arg-type]
    )

    # Once, with networks near the limit that was believed.
    (rows,) = refined
    assert len(rows) == 2
    assert loose.met(rows).all()
    assert not tight.met(rows).any()
    assert tight.met(choice.codes[None]).all()


def test_searched_networks_that_are_slower_change_their_estimates(
    space: ElasticSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = sample_sizes(space, np.random.default_rng(0), 60)
    macs = space.macs(space.original)
    latencies = 1 + space.macs(codes)[:, None] / macs * np.ones(3)
    device = MeasuredDevice("here", [NetworkTimes(codes[:40], latencies[:40], 1.0)])
    measurements: list[np.ndarray] = []

    def measure(space: ElasticSpace, backend: object, rows: np.ndarray, **_: int) -> NetworkTimes:
        measurements.append(rows)
        slower = 1.2 * (1 + space.macs(rows)[:, None] / macs * np.ones(3))
        return NetworkTimes(rows, slower, 1.0)

    monkeypatch.setattr(costs, "time_networks", measure)

    def searched() -> SearchedDevice:
        return SearchedDevice(
            space,
            None,  # type: ignore[arg-type]
            device,
            tmp_path / "verified.jsonl",
            limits=[Limit.parse("latency_ms<=1.9@here")],
            margin=0.0,
            threads=1,
            rounds=3,
            seed=0,
        )

    first = searched()
    (constraint,) = first.refine(codes[40:])
    # A resumed compression has the same estimates without another measurement.
    (again,) = searched().refine(codes[40:])

    before = device.cost_model(space, "latency_ms").estimate(codes[40:])
    assert constraint.upper(codes[40:]).mean() > 1.03 * before.mean()
    assert len(first.device.batches) == 2
    assert len(measurements) == 1
    assert again.upper(codes).tolist() == constraint.upper(codes).tolist()
    assert (
        searched().verify(codes[40:]).tolist()
        == (1.2 * (1 + space.macs(codes[40:]) / macs) <= 1.9).tolist()
    )
