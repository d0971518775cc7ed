"""`oneshot search --finalists`: short trainings choose among the best of a search."""

import json
from pathlib import Path
from typing import Any

import pytest

import spaces
from oneshot.retraining.short_training import ShortTraining
from oneshot.search.result import read_result
from tables.evaluation import read
from tests.oneshot.commands.running import FEW, TINY, done, run

TRAINING = tuple(
    text
    for setting in ("steps=6", "rungs=2", "images=60", "batch_size=32")
    for text in ("--training", setting)
)


def arguments(supernet: Path, output: Path, *more: object) -> tuple[object, ...]:
    return (
        *("search", "--space", TINY, "--guide", f"supernet:{supernet}", *FEW),
        *("--strategy", "random", "--option", "evaluations=12", "--seed", 1),
        *("--finalists", 4, "--final-guide", "train:digits", *TRAINING, "-o", output, *more),
    )


def without_time(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    value.pop("seconds")
    return value


def test_short_trainings_choose_among_the_best_of_a_supernet(
    supernet: Path, tmp_path: Path
) -> None:
    output = tmp_path / "found.json"
    printed = done(*arguments(supernet, output))

    result = read_result(output)
    assert (len(result), result.guide["kind"]) == (4, "training")
    trained = read(tmp_path / "found.json.finalists.evaluations.jsonl", TINY)
    assert sorted(item.metrics["updates"] for item in trained) == [6, 6, 18, 18]
    losses = [item.metrics["projected_cross_entropy"] for item in trained]
    assert result.best.score == -min(losses)

    # The supernet's own evaluations are stored as those of any search, and rank the finalists.
    evaluated = read(tmp_path / "found.json.evaluations.jsonl", TINY)
    order = sorted(evaluated, key=lambda item: item.metrics["cross_entropy"])
    best = {item.architecture for item in order[:4]}
    assert {item.architecture for item in trained} == best
    assert "4 finalists of 12 networks" in printed
    ranks = result.strategy["options"]["ranks"]
    assert [f"before rank {rank + 1}," in printed for rank in ranks] == [True] * 4
    assert result.best.architecture == order[ranks[0]].architecture


def test_interrupted_trainings_of_finalists_resume_to_the_same_result(
    supernet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole.json"
    done(*arguments(supernet, whole))

    train = ShortTraining._train
    trained: list[Any] = []

    def interrupted(self: ShortTraining, codes: list[int], rung: int, folder: Path) -> None:
        if len(trained) == 3:
            raise KeyboardInterrupt
        train(self, codes, rung, folder)
        trained.append((codes, rung))

    broken = tmp_path / "broken.json"
    with monkeypatch.context() as patch:
        patch.setattr(ShortTraining, "_train", interrupted)
        stopped = run(*arguments(supernet, broken))
    assert stopped.exit_code == 130
    assert "resume with --resume" in stopped.stderr
    assert not broken.exists()

    done(*arguments(supernet, broken, "--resume"))
    assert without_time(broken) == without_time(whole)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--finalists", 4), "add --final-guide train:DATA"),
        (("--final-guide", "train:digits"), "add --finalists 8"),
        (("--finalists", 1, "--final-guide", "train:digits"), "1 is not in the range x>=2"),
        (("--finalists", 4, "--final-guide", "train:nowhere"), "nowhere"),
        (("--finalists", 4, "--final-guide", "oracle:x"), "a guide is predictor:FILE"),
        (("--finalists", 4, "--final-guide", "train:digits", "--training", "x=1"), "'x'"),
    ],
)
def test_bad_options_are_refused_before_the_search(
    supernet: Path, tmp_path: Path, more: tuple[object, ...], message: str
) -> None:
    output = tmp_path / "found.json"
    guide = ("--guide", f"supernet:{supernet}", *FEW)
    refused = run("search", "--space", TINY, *guide, "-o", output, *more)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_ranking_is_that_of_the_supernet(supernet: Path, tmp_path: Path) -> None:
    output = tmp_path / "found.json"
    space = spaces.get(TINY)
    done(*arguments(supernet, output, "--rank-by", "top1"))
    evaluated = read(tmp_path / "found.json.evaluations.jsonl", TINY)
    accuracies = sorted((item.metrics["top1"] for item in evaluated), reverse=True)
    finalists = {candidate.architecture for candidate in _candidates(output)}
    chosen = [item.metrics["top1"] for item in evaluated if item.architecture in finalists]
    assert sorted(chosen, reverse=True) == accuracies[:4]
    assert space.name == read_result(output).space


def _candidates(path: Path) -> list[Any]:
    result = read_result(path)
    return [result.candidate(rank) for rank in range(len(result))]
