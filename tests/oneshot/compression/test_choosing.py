"""The network that is taken: the best one that keeps its limits when it is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from oneshot.compression.choosing import choose_network, sample_near
from oneshot.compression.settings import CompressionSettings
from oneshot.errors import Infeasible
from oneshot.search.constraint import Limit
from spaces.elastic import ElasticSpace, from_network
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
