"""Short trainings score architectures, the best of them longest."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from oneshot.commands.search import search
from oneshot.errors import InvalidGuide, InvalidOption, InvalidRun
from oneshot.retraining.short_settings import ShortTrainingSettings
from oneshot.retraining.short_training import METRICS, WEIGHTS
from oneshot.search.guide_registry import guide_named
from oneshot.search.training_guide import (
    ShortTrainingOptions,
    TrainingGuide,
    projected_scores,
    rung_agreements,
)
from oneshot.tasks import Classification
from spaces import ChainSpace
from tables.evaluation import Journal, read, scores

SETTINGS = ShortTrainingSettings(steps=10, rungs=2, batch_size=32, images=60)


class CountedTraining:
    """Training whose cross-entropy falls with the sum of the codes and with the rung."""

    def __init__(self) -> None:
        self.items: list[tuple[list[int], int]] = []
        self.removed: list[list[int]] = []

    def __call__(self, item: tuple[list[int], int]) -> dict[str, float]:
        self.items.append(item)
        codes, rung = item
        return {"cross_entropy": 30.0 - sum(codes) - 0.5 * rung, "top1": 10.0, "top5": 50.0}

    def remove_weights(self, codes: list[int]) -> None:
        self.removed.append(codes)


def make_guide(
    space: ChainSpace, tmp_path: Path, training: Any, rungs: int = 3, journal: bool = True
) -> TrainingGuide:
    settings = ShortTrainingSettings(steps=100, rungs=rungs)
    return TrainingGuide(
        training,
        space,
        Classification(),
        {"kind": "training", "data": "made-up", **settings.to_dict()},
        ShortTrainingOptions(tmp_path / "trainings", settings),
        Journal(tmp_path / "evaluations.jsonl", space.name) if journal else None,
    )


def sample(space: ChainSpace, count: int) -> Any:
    codes = space.sample(np.random.default_rng(0), 4 * count)
    _, first = np.unique(codes.sum(axis=1), return_index=True)
    return codes[first[:count]]


def test_half_of_the_candidates_continue_with_each_rung(tiny: ChainSpace, tmp_path: Path) -> None:
    codes = sample(tiny, 8)
    training = CountedTraining()

    values, deviations = make_guide(tiny, tmp_path, training).score(codes)

    assert [rung for _, rung in training.items] == [0] * 8 + [1] * 4 + [2] * 2
    best = np.argsort(-codes.sum(axis=1))
    assert sorted(item for item, rung in training.items if rung == 2) == sorted(
        codes[best[:2]].tolist()
    )
    # Every candidate gains 1 from the first rung to the last, so that projections are exact.
    assert values == pytest.approx(codes.sum(axis=1) - 29.0)
    assert deviations.tolist() == [0.0] * 8
    assert sorted(training.removed) == sorted(codes.tolist())


def test_journal_has_one_line_per_candidate_with_its_length(
    tiny: ChainSpace, tmp_path: Path
) -> None:
    codes = sample(tiny, 4)
    values, _ = make_guide(tiny, tmp_path, CountedTraining()).score(codes)

    evaluations = read(tmp_path / "evaluations.jsonl", tiny.name)

    assert [item.metrics["updates"] for item in evaluations] == [100, 100, 300, 700]
    assert [name for name in evaluations[-1].metrics if name.startswith("cross_entropy_at_")] == [
        "cross_entropy_at_100",
        "cross_entropy_at_300",
        "cross_entropy_at_700",
    ]
    # The predictor's training reads the direction of the projected metric from the file.
    assert scores(evaluations, "projected_cross_entropy") == pytest.approx(values.tolist())


def test_repeated_score_writes_no_second_line(tiny: ChainSpace, tmp_path: Path) -> None:
    codes = sample(tiny, 4)
    make_guide(tiny, tmp_path, CountedTraining()).score(codes)

    make_guide(tiny, tmp_path, CountedTraining()).score(codes)

    assert len(read(tmp_path / "evaluations.jsonl")) == 4


def test_journal_of_other_settings_is_refused(tiny: ChainSpace, tmp_path: Path) -> None:
    make_guide(tiny, tmp_path, CountedTraining()).score(sample(tiny, 4))

    with pytest.raises(InvalidRun, match="holds evaluations of other trainings"):
        make_guide(tiny, tmp_path, CountedTraining(), rungs=2)


def test_no_stopped_candidate_is_projected_above_one_that_continued() -> None:
    nan = np.nan
    # The second one is just below the third, which then gained little.
    table = np.array([[0.0, 3.9, 4.0, 5.0], [nan, nan, 4.1, 9.0]])

    projected, deviations = projected_scores(table)

    assert projected[1] == pytest.approx(4.1)
    assert projected[0] == pytest.approx(4.1 - 3.9)
    assert (deviations[:2] > 0).all()
    assert deviations[2:].tolist() == [0.0, 0.0]


def test_agreement_is_of_the_candidates_that_continued() -> None:
    nan = np.nan
    table = np.array([[9.0, 1.0, 2.0, 3.0], [nan, 1.0, 2.0, 3.0], [nan, nan, 5.0, 4.0]])

    # Of the last pair of rungs two candidates remain, which say nothing.
    assert rung_agreements(table) == [1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rungs": 0}, "training rungs must be a number from 1 on, not 0"),
        ({"factor": 1}, "training factor must be above 1, not 1"),
        ({"steps": "many"}, "training steps must be a number from 1 on, not 'many'"),
        ({"length": 3}, "training 'length': short trainings have no such setting"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        ShortTrainingSettings.from_options(options)


def test_guide_without_a_folder_for_trainings_is_refused(small: ChainSpace) -> None:
    with pytest.raises(InvalidGuide, match="are a guide of `python -m oneshot search`"):
        guide_named("train:digits", small)


def digits_guide(space: ChainSpace, folder: Path) -> TrainingGuide:
    guide = guide_named(
        "train:digits", space, training=ShortTrainingOptions(folder, settings=SETTINGS)
    )
    assert isinstance(guide, TrainingGuide)
    return guide


def test_interrupted_bracket_resumes_with_the_same_scores(
    small: ChainSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = np.unique(small.sample(np.random.default_rng(0), 8), axis=0)[:4]
    expected, _ = digits_guide(small, tmp_path / "unbroken").score(codes)

    guide = digits_guide(small, tmp_path / "broken")
    train = type(guide.training)._train
    trained: list[tuple[list[int], int]] = []

    def interrupted(self: Any, codes: list[int], rung: int, folder: Path) -> None:
        if len(trained) == 5:
            raise KeyboardInterrupt
        train(self, codes, rung, folder)
        trained.append((codes, rung))

    monkeypatch.setattr(type(guide.training), "_train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        guide.score(codes)
    monkeypatch.setattr(type(guide.training), "_train", train)
    resumed, _ = digits_guide(small, tmp_path / "broken").score(codes)

    assert resumed.tolist() == expected.tolist()
    # Of a finished bracket the metrics stay, the weights do not.
    assert len(list((tmp_path / "broken").rglob(METRICS))) == 4 + 2
    assert not list((tmp_path / "broken").rglob(WEIGHTS))


def test_search_command_trains_writes_and_resumes(small: ChainSpace, tmp_path: Path) -> None:
    output = tmp_path / "found.json"
    command = [
        *("--space", small.name, "--guide", "train:digits", "--strategy", "random"),
        *("--option", "evaluations=4", "--training", "steps=6", "--training", "rungs=2"),
        *("--training", "images=60", "--training", "batch_size=32", "-o", str(output)),
    ]

    first = CliRunner().invoke(search, command, catch_exceptions=False)
    result = json.loads(output.read_text())
    refused = CliRunner().invoke(search, command)
    again = CliRunner().invoke(search, [*command, "--resume"], catch_exceptions=False)

    assert first.exit_code == again.exit_code == 0
    assert isinstance(refused.exception, InvalidRun)
    assert result["guide"]["kind"] == "training"
    evaluations = read(tmp_path / "found.json.evaluations.jsonl", small.name)
    assert sorted(item.metrics["updates"] for item in evaluations) == [6, 6, 18, 18]
    resumed = json.loads(output.read_text())
    assert {**resumed, "seconds": 0} == {**result, "seconds": 0}


def test_settings_of_trainings_are_refused_for_other_guides(tmp_path: Path) -> None:
    command = [
        *("--space", "spos-tiny", "--guide", "predictor:x", "--training", "steps=6"),
        *("-o", str(tmp_path / "found.json")),
    ]
    with pytest.raises(InvalidOption, match="--training 'steps=6' is for --guide train:"):
        CliRunner().invoke(search, command, catch_exceptions=False)


@pytest.mark.parametrize(("name", "updates"), [("tune", [6, 6]), ("bf_tune", [6, 18])])
def test_names_of_aw_nas_train_equally_long_or_in_rungs(
    small: ChainSpace, tmp_path: Path, name: str, updates: list[int]
) -> None:
    command = [
        *("--space", small.name, "--guide", f"{name}:digits", "--strategy", "random"),
        *("--option", "evaluations=2", "--training", "steps=6", "--training", "images=60"),
        *("-o", str(tmp_path / "found.json")),
    ]
    if name == "bf_tune":
        command += ["--training", "rungs=2"]
    result = CliRunner().invoke(search, command, catch_exceptions=False)

    assert result.exit_code == 0
    evaluations = read(tmp_path / "found.json.evaluations.jsonl", small.name)
    assert sorted(item.metrics["updates"] for item in evaluations) == updates
