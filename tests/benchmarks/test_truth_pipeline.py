"""The pipeline whose ranking is compared with the truth: its stages and their minutes."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import truth_pipeline
from truth_pipeline import SMALL_SPACES, PipelineSettings, run_stages

import spaces


class Commands:
    """Commands that take 90 processor seconds each; the first one named in `fails` fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: str = ""):
        self.calls: list[list[str]] = []
        self.fails = fails
        self.seconds = 0.0
        monkeypatch.setattr(subprocess, "run", self.run)
        monkeypatch.setattr(truth_pipeline, "_child_seconds", lambda: self.seconds)

    def run(self, command: list[str], **options: Any) -> SimpleNamespace:
        self.calls.append(command[1:])
        self.seconds += 90
        failed = bool(self.fails) and self.fails in command
        return SimpleNamespace(returncode=int(failed))

    def names(self) -> list[str]:
        known = ("proxies", "train")
        return [next(word for word in call if word in known) for call in self.calls]


def test_stages_are_the_commands_of_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Commands(monkeypatch)

    stages = run_stages(
        tmp_path, "nasbench201(channels=4)", "nasbench201", 3, PipelineSettings(samples=3)
    )

    assert commands.names() == ["proxies", "proxies", "proxies", "train"]
    assert [call[1] for call in commands.calls] == ["oneshot"] * 3 + ["predictor"]
    # Each sample has networks, images and weights of its own.
    seeds = [call[call.index("--seed") + 1] for call in commands.calls]
    assert seeds == ["3", "103", "203", "3"]
    named = [call[call.index("--space") + 1] for call in commands.calls]
    assert named == ["nasbench201(channels=4)"] * 3 + ["nasbench201"]
    written = [call[call.index("-o") + 1] for call in commands.calls[:3]]
    train = commands.calls[-1]
    assert [train[index + 1] for index, word in enumerate(train) if word == "--columns"] == written
    assert sum(stages.minutes.values()) == pytest.approx(4 * 1.5)


def test_finished_stages_are_not_repeated_and_minutes_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Commands(monkeypatch, fails="predictor")
    with pytest.raises(click.ClickException, match="the stage predictor ended with 1"):
        run_stages(tmp_path, "nasbench-macro", "nasbench-macro", 0, PipelineSettings(samples=3))

    commands = Commands(monkeypatch)
    stages = run_stages(
        tmp_path, "nasbench-macro", "nasbench-macro", 0, PipelineSettings(samples=3)
    )

    assert commands.names() == ["train"]
    # Both attempts count: the minutes are those from nothing.
    measured = {name: minutes for name, minutes in stages.minutes.items() if name != "predictor"}
    assert measured == dict.fromkeys(("proxies", "proxies-2", "proxies-3"), pytest.approx(1.5))
    assert stages.minutes["predictor"] == pytest.approx(3.0)
    assert json.loads((tmp_path / "stages.json").read_text())["predictor"]["finished"]


@pytest.mark.parametrize("name", SMALL_SPACES)
def test_small_space_has_the_choices_of_the_space(name: str) -> None:
    small = spaces.get(SMALL_SPACES[name])
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 20)

    assert [choice.candidates for choice in small.choices] == [
        choice.candidates for choice in space.choices
    ]
    # A quarter of the width and half the resolution: 1/16 and 1/4 of most of the work.
    assert (small.macs(codes) < space.macs(codes) / 30).mean() > 0.9
