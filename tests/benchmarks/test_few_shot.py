"""The benchmark of few-shot search: classes of its two halves, and its lines."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from click.testing import CliRunner

from oneshot.data.registry import DATA
from spaces.threads import fixed_threads
from tests.benchmarks.scripts import script


@pytest.fixture
def few_shot(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The benchmark as a module, whose data sets and threads are gone afterwards."""
    with DATA.preserved(), fixed_threads(torch.get_num_threads()):
        yield script("few_shot", monkeypatch)


def test_halves_have_no_class_in_common(few_shot: ModuleType) -> None:
    (images, targets), (new_images, new_targets) = few_shot.two_halves("digits")

    assert set(targets.tolist()) == {0, 1, 2, 3, 4}
    assert set(new_targets.tolist()) == {5, 6, 7, 8, 9}
    assert (len(images), len(new_images)) == (len(targets), len(new_targets))


def test_every_kind_adapts_to_the_new_classes(few_shot: ModuleType, tmp_path: Path) -> None:
    output = tmp_path / "few-shot.jsonl"
    options = ["--seeds", "1", "--first-seed", "4", "--steps", "1", "--episodes", "1"]
    result = CliRunner().invoke(few_shot.main, [*options, "-o", str(output)])

    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["search", "fixed", "untrained"]
    assert {(line["images"], line["seed"]) for line in lines} == {("digits", 4)}
    assert all(0 <= line["top1"] <= 100 for line in lines)
