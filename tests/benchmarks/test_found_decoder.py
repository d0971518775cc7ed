"""The comparison of a found decoder with random ones: which ones match its latency."""

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot.data.registry import load
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


def test_lstm_is_trained_for_the_time_of_the_found_decoder(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be that is the question\n" * 200)
    lstm = importlib.import_module("character_lstm")
    trainings: list[tuple[float, int]] = []

    def recorded(training: Any, rate: float, steps: int, name: str) -> Any:
        trainings.append((rate, steps))
        vocabulary = training.data.num_classes
        # A made-up clock: an update takes half a second.
        return lstm.Lstm(vocabulary, lstm.lstm_width(vocabulary, training.params)), steps / 2

    monkeypatch.setattr(lstm.LstmTraining, "train", recorded)
    arguments = (tmp_path, f"text:{text}", "characters", 4000, 150.0, 0)
    report = script.lstm_report(*arguments)

    # An update is timed by 20, a rate is found in a tenth of the time, which is 300 updates.
    assert [steps for _, steps in trainings] == [20, 30, 30, 30, 300]
    assert trainings[-1][0] == report["rate"] in script.LSTM_RATES
    assert report["params"] <= 4000
    assert report["steps"] == 300
    assert script.lstm_report(*arguments) == report
    assert len(trainings) == 5


def test_time_of_interrupted_work_adds_up(tmp_path: Path, script: ModuleType) -> None:
    module = importlib.import_module("processor_time")
    times = iter([1.0, 4.0, 10.0, 12.0])
    path = tmp_path / "seconds.json"

    with pytest.raises(KeyboardInterrupt), module.stopwatch(path, lambda: next(times)):
        raise KeyboardInterrupt
    with module.stopwatch(path, lambda: next(times)) as watch:
        pass

    assert watch.seconds == 5.0


def test_interrupted_training_of_an_lstm_has_its_whole_time(
    script: ModuleType, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be that is the question\n" * 20)
    lstm = importlib.import_module("character_lstm")
    shape: Any = (8,)
    data = load(f"text:{text}", shape, text={"level": "characters"})
    recipe = replace(script.LSTM_RECIPE, batch_size=4)
    training = lstm.LstmTraining(data, recipe, 2000, 0, tmp_path)

    first, seconds = training.train(0.01, 3, "short")
    # The folder has all updates, so that none is made again.
    second, later = training.train(0.01, 3, "short")

    assert later >= seconds > 0
    for value, other in zip(first.parameters(), second.parameters(), strict=True):
        assert value.equal(other)
