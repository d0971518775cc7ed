"""Schedules of an algorithm's options: exact values, resuming, pipelines, bad input."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from oneshot.algorithms.registry import preset
from oneshot.algorithms.schedules import Schedule, scheduled
from oneshot.commands import main
from oneshot.errors import InvalidOption
from oneshot.pipeline.building import read_pipeline
from oneshot.training import Stopped
from oneshot.training.recipe import Recipe


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        # Two updates an epoch, five epochs.
        ({"start": 5, "multiply": 0.956, "every": "epoch"}, [5 * 0.956**k for k in range(5)]),
        ({"start": 0, "add": 0.25}, [0, 0.25, 0.5, 0.75, 1]),
        ({"start": 8, "multiply": 0.5, "every": 2}, [8, 8, 4, 4, 2]),
        ({"start": 1, "add": 1, "first": 3}, [1, 1, 1, 2, 3]),
        ({"start": 8, "multiply": 0.5, "min": 3, "max": 6}, [6, 4, 3, 3, 3]),
        ({"values": [0.1, 0.4, 0], "epochs": [1, 2, 5]}, [0.1, 0.4, 0.4, 0.4, 0]),
        ({"start": 1, "add": -0.1, "every": "update"}, [1, 0.8, 0.6, 0.4, 0.2]),
    ],
)
def test_values_at_the_beginnings_of_epochs(written: Any, expected: list[float]) -> None:
    schedule = Schedule.parse("temperature", written)
    values = [schedule.value(step, steps_per_epoch=2) for step in range(0, 10, 2)]
    assert values == pytest.approx(expected, abs=1e-12)
    again = Schedule.parse("temperature", json.loads(json.dumps(schedule.to_dict())))
    assert again == schedule


def test_updates_move_between_epochs() -> None:
    schedule = Schedule.parse("x", {"start": 1, "multiply": 2, "every": "update", "first": 3})
    assert [schedule.value(step, 2) for step in range(5)] == [1, 1, 1, 2, 4]


def test_whole_numbers_stay_whole() -> None:
    chosen = preset("darts", {"arch_every": {"start": 1, "add": 0.6}})
    options = [scheduled(chosen.options, chosen.schedules, epoch, 1) for epoch in range(3)]
    assert [each.arch_every for each in options] == [1, 2, 2]
    assert all(isinstance(each.arch_every, int) for each in options)


def test_a_schedule_of_the_temperature_is_the_annealing_of_fbnet(
    searches: Any, tmp_path: Path
) -> None:
    found = []
    for schedules in ({}, {"temperature": Schedule.parse("t", {"start": 5, "multiply": 0.956})}):
        search = searches.algorithm("fbnet", schedules=schedules)
        seen: list[float] = []
        loss = search.loss

        def watched(
            *arguments: Any, search: Any = search, seen: Any = seen, loss: Any = loss
        ) -> Any:
            seen.append(search.mutator.temperature)
            return loss(*arguments)

        search.loss = watched
        searches.train(search, tmp_path / str(len(found)))
        found.append((seen, search.report()))

    assert found[0] == found[1]
    # 256 images in batches of 32 are 8 updates an epoch.
    assert found[0][0][8] == pytest.approx(5 * 0.956)


@pytest.mark.parametrize("name", ["darts", "enas"])
def test_learning_rates_follow_their_schedules(name: str, searches: Any, tmp_path: Path) -> None:
    option = {"darts": "arch_learning_rate", "enas": "controller_learning_rate"}[name]
    schedule = Schedule.parse(option, {"start": 0.02, "multiply": 0.5})
    recipe = Recipe(epochs=3, batch_size=64, learning_rate=0.1)
    search = searches.algorithm(name, recipe=recipe, schedules={option: schedule})
    seen: list[float] = []
    step = search.step

    def watched(batches: Any, number: int, engine: Any) -> None:
        seen.append(engine.optimizers[1].param_groups[0]["lr"])
        step(batches, number, engine)

    search.step = watched
    searches.train(search, tmp_path)
    assert seen == [0.02] * 4 + [0.01] * 4 + [0.005] * 4


def test_an_interrupted_search_resumes_the_schedule(searches: Any, tmp_path: Path) -> None:
    schedules = {
        "arch_learning_rate": Schedule.parse(
            "rate", {"start": 0.1, "multiply": 0.9, "every": "update"}
        ),
        "first_temperature": Schedule.parse("first", {"values": [3, 1], "epochs": [1, 2]}),
    }
    recipe = Recipe(epochs=3, batch_size=32, learning_rate=0.1)

    def search() -> Any:
        return searches.algorithm("gdas", recipe=recipe, schedules=schedules)

    whole = search()
    searches.train(whole, tmp_path / "whole")
    broken, stopped = search(), list[int]()
    loss = broken.loss

    def interrupting(inputs: Any, targets: Any, now: int, engine: Any) -> Any:
        if now == 13 and not stopped:
            stopped.append(now)
            os.kill(os.getpid(), signal.SIGINT)
        return loss(inputs, targets, now, engine)

    broken.loss = interrupting
    with pytest.raises(Stopped, match="stopped after update 14 of 24"):
        searches.train(broken, tmp_path / "broken")
    again = search()
    searches.train(again, tmp_path / "broken")

    for key, logits in whole.mutator.alpha.items():
        assert torch.equal(logits, again.mutator.alpha[key])
    assert whole.options == again.options


def test_the_command_records_a_schedule_and_resumes_with_it(tmp_path: Path) -> None:
    schedule = '{"start": 2, "multiply": 0.5, "every": "epoch"}'
    command = ["train", "--space", "spos-tiny", "--algorithm", "fbnet", "--data", "digits"]
    command += ["--limit", "32", "--epochs", "1", "--batch-size", "16", "--no-tensorboard"]
    command += ["--option", f"temperature={schedule}", "-o", str(tmp_path / "run")]

    result = CliRunner().invoke(main, command)

    assert result.exit_code == 0, result.output
    recorded = json.loads((tmp_path / "run" / "run.json").read_text())
    assert recorded["options"]["temperature"] == {
        "start": 2.0,
        "multiply": 0.5,
        "every": "epoch",
        "first": 1,
    }
    resumed = CliRunner().invoke(main, [*command, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    other = [text.replace("0.5", "0.25") for text in command]
    refused = CliRunner().invoke(main, [*other, "--resume"])
    assert refused.exit_code == 2


def test_a_pipeline_has_schedules_as_mappings(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        "space: spos-tiny\ndata: digits\ntrain:\n  algorithm: fbnet\n  option:\n"
        "    temperature: {start: 5, multiply: 0.956, every: epoch}\n"
    )
    pipeline = read_pipeline(path, tmp_path / "run")
    arguments = pipeline.stages[0].arguments
    text = arguments[arguments.index("--option") + 1]
    name, _, value = text.partition("=")
    assert name == "temperature"
    assert json.loads(value) == {"start": 5, "multiply": 0.956, "every": "epoch"}


@pytest.mark.parametrize(
    ("name", "given", "named"),
    [
        ("fbnet", {"temperature": {"multiply": 0.5}}, "temperature: a schedule needs start"),
        ("fbnet", {"temperature": {"start": 5}}, "either multiply or add"),
        (
            "fbnet",
            {"temperature": {"start": 5, "mul": 1}},
            "a schedule has no 'mul'; it has: start",
        ),
        (
            "fbnet",
            {"temperature": {"start": "a", "add": 1}},
            "start of a schedule must be a number",
        ),
        ("fbnet", {"temperature": {"start": 5, "multiply": -1}}, "multiply must be positive"),
        ("fbnet", {"temperature": {"start": 5, "add": 1, "every": "year"}}, "not 'year'"),
        ("fbnet", {"temperature": {"start": 5, "add": 1, "first": 0}}, "first must be a whole"),
        ("fbnet", {"temperature": {"values": [1], "epochs": [2]}}, "epochs must begin with 1"),
        ("fbnet", {"temperature": {"values": [1, 2], "epochs": [1]}}, "as many epochs"),
        ("fbnet", {"temperature": {"start": 0, "add": 1}}, "temperature must be positive, not 0"),
        ("darts", {"arch_init": {"start": 1, "add": 1}}, "arch_init is read once"),
        ("enas", {"shared": {"start": 0, "add": 1}}, "shared is no number"),
        ("darts", {"arch_betas": {"start": 0, "add": 1}}, "arch_betas is no number"),
        ("darts", {"beta": {"start": 0, "add": 1}}, "has no option 'beta'"),
    ],
)
def test_invalid_schedules_are_named(name: str, given: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidOption, match=named):
        preset(name, given)


def test_a_value_that_leaves_its_range_is_refused_before_the_training(searches: Any) -> None:
    schedule = Schedule.parse("temperature", {"start": 5, "add": -2})
    search = searches.algorithm("fbnet", schedules={"temperature": schedule})
    with pytest.raises(InvalidOption, match="temperature must be positive, not -1"):
        search.optimizers(6 * 8)
