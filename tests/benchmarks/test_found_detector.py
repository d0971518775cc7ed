"""The comparison of a found detector with random ones: its samples and its statistics."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import spaces
from oneshot.search.constraint import Constraint
from oneshot.tasks.segmentation import Segmentation
from oneshot.tasks.tally import Tally
from tables.cost.model import counting_model

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "found_detector", raising=False)
    return importlib.import_module("found_detector")


def tally(correct: float, seed: int, images: int = 30) -> Tally:
    """Results of a segmenter with a fraction of correct pixels."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.randint(0, 2, (images, 8, 8), generator=generator)
    wrong = torch.rand(images, 8, 8, generator=generator) >= correct
    predicted = torch.where(wrong, 1 - masks, masks)
    result = Segmentation().tally(torch.device("cpu"))
    result.add(torch.nn.functional.one_hot(predicted, 2).movedim(-1, 1).float(), masks)
    return result


def test_difference_is_from_the_mean_of_the_random_ones(script: ModuleType) -> None:
    tallies = [tally(0.9, 0), tally(0.8, 1), tally(0.7, 2)]

    answer = script.compared(tallies)

    scores = [item.metrics()["miou"] for item in tallies]
    assert answer["difference"] == pytest.approx(scores[0] - np.mean(scores[1:]))
    low, high = answer["difference_interval"]
    assert 0 < low < answer["difference"] < high
    assert script.compared([tallies[0], tallies[0]])["difference_interval"] == (0, 0)


def test_differences_of_several_searches_are_averaged(script: ModuleType) -> None:
    # The same images, on which other networks are correct in other pixels.
    groups = [[tally(0.9, 0), tally(0.7, 0)], [tally(0.8, 0), tally(0.75, 0)]]

    answer = script.compared(*groups)

    alone = [script.compared(group)["difference"] for group in groups]
    assert answer["difference"] == pytest.approx(np.mean(alone))
    low, high = answer["difference_interval"]
    assert low < answer["difference"] < high


def test_random_networks_use_the_limit(script: ModuleType) -> None:
    space = spaces.get("spos-tiny")
    model = counting_model(space, "macs")
    limit = float(np.median(space.macs(space.sample(np.random.default_rng(0), 200))))
    constraint = Constraint("macs", limit, model)

    architectures = script.random_within(constraint, 4, seed=1)

    costs = model.estimate(space.encode(architectures))
    assert len(set(architectures)) == 4
    assert ((0.95 * limit <= costs) & (costs <= limit)).all()
    assert script.random_within(constraint, 4, seed=1) == architectures
