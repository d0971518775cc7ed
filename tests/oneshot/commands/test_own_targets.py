"""Commands on data sets of other targets than classes, and on runs under conditions."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from oneshot.commands import main
from oneshot.data import digits
from oneshot.data.images import ImageData, ImageSplit
from oneshot.data.registry import DATA, register_data


@pytest.fixture
def numbers() -> Iterator[None]:
    """Digits whose targets are numbers (`numbers`) or pairs of them (`pairs`)."""
    with DATA.preserved():
        register_data("numbers")(lambda request: with_targets(request, torch.linspace(-2, 7, 9)))
        register_data("pairs")(lambda request: with_targets(request, torch.zeros(9, 2)))
        yield


def with_targets(request: Any, targets: torch.Tensor) -> ImageData:
    data = digits.load(request)
    images, _ = data.train.tensors(list(range(9)))
    split = ImageSplit.from_tensors(images, targets)
    return replace(data, train=split, validation=split, test=split, num_classes=1, classes=())


@pytest.mark.parametrize(("name", "words"), [("numbers", "-2 to 7"), ("pairs", "of shape 2")])
def test_targets_that_are_no_classes_are_described(numbers: None, name: str, words: str) -> None:
    result = CliRunner().invoke(main, ["data", name])
    assert result.exit_code == 0, result.output
    assert words in result.output
    assert "classes" not in result.output


def test_classes_are_counted() -> None:
    result = CliRunner().invoke(main, ["data", "digits", "--limit", "100"])
    assert result.exit_code == 0, result.output
    assert "of each class" in result.output
    assert "10 classes: " in result.output


def test_resumed_run_says_which_conditions_it_records(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    arguments = ["train", "--data", "digits", "--steps", "1", "--limit", "40", "--batch-size", "8"]
    arguments += ["--space", "spos-tiny", "-o", str(folder)]
    first = CliRunner().invoke(main, [*arguments, "--under", "clean=1"])
    assert first.exit_code == 0, first.output
    assert "records" not in first.output
    assert json.loads((folder / "run.json").read_text())["under"] == ["clean=1"]

    resumed = CliRunner().invoke(main, [*arguments, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert "resumes under the conditions that the run records: --under clean=1" in resumed.output
    named = CliRunner().invoke(main, [*arguments, "--resume", "--under", "clean=1"])
    assert "records" not in named.output
