"""How many networks are scored, from the time that a compression may take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from oneshot.compression.planning import (
    FEWEST_SCORED,
    MOST_SCORED,
    ScorePlan,
    time_scores,
    time_tuning,
)
from oneshot.compression.settings import CompressionSettings
from oneshot.data.registry import load
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.tasks.registry import make_task


def test_scores_fill_the_time_that_other_steps_leave() -> None:
    plan = ScorePlan.from_times(15, elapsed_s=125, score_s=2.0, tuning_s=300, checked=16)

    # 900 s without 125 s, fine-tuning, 60 s of the search and 15 s of the export.
    assert plan.scoring_s == 400
    assert plan.scored == 200 - 16
    assert str(plan) == (
        "184 networks are scored, 2 s each: of 15 minutes 400 s remain for them, and fine-tuning"
        " takes about 300 s"
    )


@pytest.mark.parametrize(("score_s", "scored"), [(1e-9, MOST_SCORED), (1e9, FEWEST_SCORED)])
def test_number_of_scores_has_bounds(score_s: float, scored: int) -> None:
    assert ScorePlan.from_times(15, 0, score_s, 0, 16).scored == scored


def test_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = ScorePlan.from_times(15, 100, 1.5, 200, 16)
    plan.write(tmp_path / "plan.json")

    assert ScorePlan.read(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("text", ["{", "[]", '{"scored": 3}'])
def test_broken_plan_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)

    with pytest.raises(InvalidRun, match=r"plan.json: not a plan of scores"):
        ScorePlan.read(path)


class Scores:
    """Scores networks in a known time; those below `known` were scored before."""

    def __init__(self, known: int):
        self.known = known
        self.seconds: list[float] = []

    def scores(self, codes: np.ndarray) -> None:
        if int(codes[0, 0]) >= self.known:
            # The first one warms up.
            self.seconds.append(0.5 if self.seconds else 50.0)


@pytest.mark.parametrize(("known", "seconds"), [(0, 0.5), (35, 0.5), (39, 50.0), (40, 0.0)])
def test_score_is_timed_without_those_of_an_earlier_run(known: int, seconds: float) -> None:
    codes = np.arange(40)[:, None]

    assert time_scores(Scores(known), codes) == seconds  # type: ignore[arg-type]


def test_expected_time_of_fine_tuning_grows_with_its_epochs() -> None:
    data = load("digits", (1, 8, 8), limit=128)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    settings = CompressionSettings(epochs=0)

    def seconds(epochs: int) -> float:
        torch.manual_seed(0)
        task = make_task("classification")
        return time_tuning(network, network, data, task, replace(settings, epochs=epochs), False)

    # Without an epoch only tests and the recalibration remain.
    assert 0 < seconds(0) < seconds(1000)


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_minutes_are_positive(minutes: float) -> None:
    with pytest.raises(InvalidOption, match="minutes must be positive and finite, not"):
        CompressionSettings(minutes=minutes)
