"""Evaluations and the journal that survives an interruption."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from spaces.errors import InvalidFile, UnknownName
from spaces.files import write_text
from spaces.formats import read_architectures
from tables import Evaluation, evaluation
from tables.errors import InvalidEvaluation
from tables.evaluation import Journal
from tables.metrics import QUALITIES

SPACE = spaces.get("spos-tiny")


def evaluations(count: int, seed: int = 0) -> list[Evaluation]:
    rng = np.random.default_rng(seed)
    return [
        Evaluation(
            architecture,
            {"cross_entropy": float(rng.random()), "top1": 50.0},
            {"kind": "supernet", "run": "r"},
        )
        for architecture in SPACE.decode(SPACE.sample(rng, count))
    ]


@given(seed=st.integers(0, 2**32), loss=st.floats(0, 1e6), top1=st.integers(0, 100))
def test_json_gives_the_evaluation_back(seed: int, loss: float, top1: int) -> None:
    one = Evaluation(
        SPACE.sample(np.random.default_rng(seed)),
        {"cross_entropy": loss, "top1": top1},
        {"kind": "test"},
    )
    text = one.to_json()
    assert "\n" not in text
    assert Evaluation.from_json(text) == one


GOOD = json.loads(evaluations(1)[0].to_json())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        (
            json.dumps({**GOOD, "metrics": {"top1": 10**400}}),
            "not JSON: the integer 10000000000000000000... of 401 digits is too large",
        ),
        (f'{{"metrics": {{"top1": -1{"0" * 5000}}}}}', "not JSON: the integer -1000"),
        ("[]", "an evaluation needs the keys 'architecture' and 'metrics'"),
        ("5", "an evaluation needs the keys 'architecture' and 'metrics'"),
        ('{"metrics": {}}', "an evaluation needs the keys 'architecture' and 'metrics'"),
        (json.dumps({**GOOD, "metrics": []}), "'metrics' must map names to numbers, not []"),
        (
            json.dumps({**GOOD, "metrics": {"top1": "5"}}),
            "'metrics' must map names to numbers, not {'top1': '5'}",
        ),
        (
            json.dumps({**GOOD, "metrics": {"top1": True}}),
            "'metrics' must map names to numbers, not {'top1': True}",
        ),
        (
            json.dumps({**GOOD, "metrics": {"top1": np.nan}}),
            "'metrics' must map names to numbers, not {'top1': nan}",
        ),
        (json.dumps({**GOOD, "source": 5}), "'source' must be an object, not 5"),
        (
            json.dumps({**GOOD, "architecture": {"space": "sops", "choices": {}}}),
            "unknown space 'sops'",
        ),
        (
            json.dumps({**GOOD, "architecture": {"space": "spos-tiny", "choices": {}}}),
            "the choice 'layer_1' is missing",
        ),
        (
            json.dumps({**GOOD, "architecture": 7}),
            "an architecture is an object with 'space' and 'choices', not 7",
        ),
    ],
)
def test_wrong_lines_are_named_with_file_and_number(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(f"{evaluations(1)[0].to_json()}\n\n{text}\n", encoding="utf-8")
    with pytest.raises(InvalidEvaluation) as caught:
        evaluation.read(path)
    assert str(caught.value).startswith(f"{path}, line 3: {said}")


def test_blank_lines_are_nothing(tmp_path: Path) -> None:
    some = evaluations(3)
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(["", *(one.to_json() for one in some), "  ", ""]), encoding="utf-8")
    assert evaluation.read(path) == some
    assert evaluation.read(path, "spos-tiny") == some


def test_another_space_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(evaluations(1)[0].to_json() + "\n", encoding="utf-8")
    with pytest.raises(InvalidEvaluation) as caught:
        evaluation.read(path, "spos")
    assert str(caught.value) == f"{path}, line 1: of the space spos-tiny, not spos"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"no\.jsonl: No such file"):
        evaluation.read(tmp_path / "no.jsonl")


def test_scores_are_greater_where_it_is_better() -> None:
    some = evaluations(5)
    losses = [one.metrics["cross_entropy"] for one in some]
    assert evaluation.values(some, "cross_entropy") == losses
    assert evaluation.scores(some, "cross_entropy") == [-loss for loss in losses]
    assert evaluation.scores(some, "top1") == [50.0] * 5
    best = int(np.argmax(evaluation.scores(some, "cross_entropy")))
    assert losses[best] == min(losses)


def test_unknown_metrics_name_those_that_exist() -> None:
    with pytest.raises(UnknownName, match="unknown metric 'loss'; available: cross_entropy, top1"):
        evaluation.values(evaluations(1), "loss")
    with pytest.raises(UnknownName, match="unknown metric 'loss'; available: cross_entropy, top1"):
        evaluation.scores(evaluations(1), "loss")


def test_a_compressed_file_has_the_same_evaluations(tmp_path: Path) -> None:
    some = evaluations(4)
    text = "".join(f"{one.to_json()}\n" for one in some)
    path = tmp_path / "e.jsonl.gz"
    write_text(path, text)

    assert evaluation.read(path, "spos-tiny") == some
    assert read_architectures(path) == [one.architecture for one in some]
    with pytest.raises(InvalidFile, match="it is compressed"):
        Journal(path, "spos-tiny")


def test_a_journal_grows_and_goes_on(tmp_path: Path) -> None:
    path, some = tmp_path / "deep" / "e.jsonl", evaluations(4)
    journal = Journal(path, "spos-tiny")
    assert journal.done == []
    for number, one in enumerate(some[:2], 1):
        journal.append(one)
        assert len(path.read_text().splitlines()) == number  # on the disk before the next begins
    again = Journal(path, "spos-tiny")
    assert again.done == some[:2]
    for one in some[2:]:
        again.append(one)
    assert evaluation.read(path) == again.done == some


@pytest.mark.parametrize("kept", [1, 30, -1])
def test_a_torn_last_line_is_dropped(tmp_path: Path, kept: int) -> None:
    path, some = tmp_path / "e.jsonl", evaluations(3)
    lines = [one.to_json() for one in some]
    path.write_text(f"{lines[0]}\n{lines[1]}\n{lines[2][:kept]}", encoding="utf-8")
    journal = Journal(path, "spos-tiny")
    assert journal.done == some[:2]
    journal.append(some[2])
    assert path.read_text() == "".join(f"{line}\n" for line in lines)


def test_a_file_of_one_torn_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text('{"architec', encoding="utf-8")
    assert Journal(path, "spos-tiny").done == []
    assert path.read_text() == ""


@pytest.mark.parametrize("content", ['{"a": 1}\n', "not this\n"])
def test_a_journal_refuses_a_strangers_file_and_leaves_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidEvaluation, match="line 1"):
        Journal(path, "spos-tiny")
    assert path.read_text() == content


def test_a_journal_refuses_another_space(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    journal = Journal(path, "spos-tiny")
    journal.append(evaluations(1)[0])
    with pytest.raises(InvalidEvaluation, match="line 1: of the space spos-tiny, not spos"):
        Journal(path, "spos")


def test_metrics_say_their_unit_and_direction() -> None:
    directions: dict[str, Any] = {
        name: metric.higher_is_better for name, metric in QUALITIES.items()
    }
    assert directions == {"cross_entropy": False, "top1": True, "top5": True}


def of_task(metrics: dict[str, float], recorded: dict[str, Any]) -> list[Evaluation]:
    source = {"kind": "supernet", "task": "angle", "metrics": recorded}
    return [
        Evaluation(item.architecture, metrics, source if recorded else {})
        for item in evaluations(3)
    ]


@pytest.mark.parametrize(
    ("metrics", "recorded", "expected"),
    [
        ({"top1": 50.0, "cross_entropy": 0.5}, {}, "cross_entropy"),
        ({"degrees_pgd": 9.0, "degrees": 5.0}, {"degrees": {}, "degrees_pgd": {}}, "degrees"),
        ({"a_test_acc": 90.0}, {}, "a_test_acc"),
        ({"a_test_acc": 90.0, "b_test_acc": 80.0}, {}, None),
    ],
)
def test_default_metric_is_the_score_of_the_task_or_the_only_one(
    metrics: dict[str, float], recorded: dict[str, Any], expected: str | None
) -> None:
    assert evaluation.default_metric(of_task(metrics, recorded)) == expected


def test_recorded_metric_has_its_unit_direction_and_title() -> None:
    recorded = {"unit": "percent", "higher_is_better": True, "title": "mean IoU"}
    found = evaluation.find_metric(of_task({"miou": 50.0}, {"miou": recorded}), "miou")
    assert found is not None
    assert found.to_dict() == recorded
    assert (found.sign, found.title_of("miou"), found.text(50.0)) == (1.0, "mean IoU", "50.00")


def test_metric_that_nothing_describes_is_refused_with_those_that_are_known() -> None:
    items = of_task({"miou": 50.0, "loss": 1.0}, {"miou": {"higher_is_better": True}})
    with pytest.raises(UnknownName, match="unknown metric 'loss'; available: miou"):
        evaluation.scores(items, "loss")
