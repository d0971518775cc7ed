"""The comparison of a found decoder with random ones: which ones match its latency."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import spaces
from oneshot.errors import InvalidOption
from tables.cost.model import CostModel, counting_model

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("found_decoder")


@pytest.fixture
def model() -> CostModel:
    """MACs in place of a measured latency."""
    return counting_model(spaces.get("decoder-tiny"), "macs")


def test_random_decoders_use_the_latency_of_the_found_one(
    script: ModuleType, model: CostModel
) -> None:
    space = model.space
    found = space.architecture([1, 1, 1, 1, 0, 1, 0])
    matched = script.matched(space, model, found, 4, 0)
    costs = model.estimate(matched) / model.estimate([found])[0]
    assert len(matched) == 4
    assert ((costs >= 0.95) & (costs <= 1)).all()
    assert script.matched(space, model, found, 4, 0) == matched


def test_too_few_decoders_of_a_latency_are_refused(script: ModuleType, model: CostModel) -> None:
    space = model.space
    smallest = space.decode(space.sample(np.random.default_rng(0), 500))
    found = min(smallest, key=space.macs)
    with pytest.raises(InvalidOption, match=r"random: only \d+ of 20000 samples take 95% to 100%"):
        script.matched(space, model, found, 20_001, 0)
