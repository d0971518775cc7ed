"""Tests of evaluated architectures: reading a metric, and the split by network."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Self

import numpy as np
import pytest

import predictor
import spaces
from predictor.errors import TooFewArchitectures
from predictor.evaluated import EvaluatedArchitectures, network_numbers
from predictor.training import PredictorTraining, TrainingSettings
from spaces.errors import UnknownName
from spaces.space import Codes, SearchSpace
from tables import Evaluation
from tables.errors import InvalidEvaluation
from tables.metrics import QUALITIES

SPACE = spaces.get("nasbench201")


def evaluated(codes: Codes, space: SearchSpace = SPACE) -> EvaluatedArchitectures:
    values = np.arange(len(codes), dtype=np.float64)
    return EvaluatedArchitectures(Path("e.jsonl"), space, "top1", codes, values, QUALITIES["top1"])


def write(path: Path, metrics: list[dict[str, float]]) -> list[str]:
    codes = SPACE.sample(np.random.default_rng(0), len(metrics))
    architectures = SPACE.decode(codes)
    lines = [
        Evaluation(architecture, values).to_json()
        for architecture, values in zip(architectures, metrics, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return lines


@pytest.mark.parametrize("copies", [2, 3, 10])
def test_copies_of_an_architecture_are_on_one_side(copies: int) -> None:
    codes = np.repeat(SPACE.sample(np.random.default_rng(0), 60), copies, axis=0)
    data = evaluated(codes[np.random.default_rng(1).permutation(len(codes))])
    train_rows, test_rows = data.split(40 * copies, seed=0)
    assert sorted([*train_rows, *test_rows]) == list(range(60 * copies))
    assert abs(len(train_rows) - 40 * copies) <= copies
    train = {tuple(row) for row in data.codes[train_rows].tolist()}
    assert not train & {tuple(row) for row in data.codes[test_rows].tolist()}


def test_networks_are_numbered_as_they_occur() -> None:
    distinct = np.unique(SPACE.representatives(SPACE.sample(np.random.default_rng(0), 9)), axis=0)
    order = np.random.default_rng(1).permutation(len(distinct))
    codes = np.asfortranarray(distinct[np.repeat(order, 2)])
    assert network_numbers(SPACE, codes).tolist() == np.repeat(range(len(distinct)), 2).tolist()


def test_isomorphic_cells_are_on_one_side() -> None:
    # Among 2000 of 15625 cells many are isomorphic to another.
    codes = np.unique(SPACE.sample(np.random.default_rng(0), 2000), axis=0)
    data = evaluated(codes)
    assert data.num_networks(np.arange(len(codes))) < 0.9 * len(codes)
    train_rows, test_rows = data.split(1000, seed=3)
    train = {tuple(row) for row in SPACE.representatives(codes[train_rows]).tolist()}
    test = {tuple(row) for row in SPACE.representatives(codes[test_rows]).tolist()}
    assert not train & test
    assert len(train_rows) + len(test_rows) == len(codes)


def test_distinct_networks_are_split_as_the_permutation_says() -> None:
    space = spaces.get("spos-tiny")
    codes = np.unique(space.sample(np.random.default_rng(0), 90), axis=0)
    train_rows, test_rows = evaluated(codes, space).split(30, seed=7)
    order = np.random.default_rng(7).permutation(len(codes))
    assert train_rows.tolist() == sorted(order[:30])
    assert test_rows.tolist() == sorted(order[30:])


def test_evaluations_of_few_networks_leave_too_few_to_test_on() -> None:
    codes = np.repeat(SPACE.sample(np.random.default_rng(0), 14), 10, axis=0)
    with pytest.raises(TooFewArchitectures, match=r"140 evaluations of 1\d networks"):
        evaluated(codes).split(100, seed=0)


@pytest.mark.parametrize("lacking", [{}, {"cross_entropy": 1.0}])
def test_evaluation_without_the_metric_is_counted(
    lacking: dict[str, float], tmp_path: Path
) -> None:
    path = tmp_path / "e.jsonl"
    write(path, [{"top1": 90.0}] * 7 + [lacking] + [{"top1": 91.0}] * 4)
    with pytest.raises(InvalidEvaluation, match=r"e\.jsonl: 1 of 12 .*'top1'.* evaluation 8"):
        EvaluatedArchitectures.from_file(path, SPACE, "top1")


def test_metric_of_no_evaluation_lists_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    write(path, [{"top1": 90.0}, {"cross_entropy": 0.5}])
    with pytest.raises(UnknownName, match="'top5'; available: top1, cross_entropy"):
        EvaluatedArchitectures.from_file(path, SPACE, "top5")


def test_compressed_evaluations_equal_plain_ones(tmp_path: Path) -> None:
    plain = tmp_path / "e.jsonl"
    lines = write(plain, [{"top1": 80.0 + index} for index in range(9)])
    packed = tmp_path / "e.jsonl.gz"
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    first = EvaluatedArchitectures.from_file(plain, SPACE, "top1")
    second = EvaluatedArchitectures.from_file(packed, SPACE, "top1")
    assert second.codes.tolist() == first.codes.tolist()
    assert second.values.tolist() == first.values.tolist()


def test_predictor_records_the_metric_of_the_evaluations_task(tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    codes = np.unique(space.sample(np.random.default_rng(0), 60), axis=0)[:20]
    recorded = {"unit": "degrees", "higher_is_better": False}
    source = {"kind": "supernet", "task": "angle", "metrics": {"degrees": recorded}}
    lines = [
        Evaluation(item, {"degrees": float(np.log(macs))}, source).to_json()
        for item, macs in zip(space.decode(codes), space.macs(codes), strict=True)
    ]
    (tmp_path / "turned.jsonl").write_text("\n".join(lines), encoding="utf-8")
    settings = TrainingSettings("spos-tiny", "forest", "forest", None, 0.6)
    output = tmp_path / "forest.safetensors"
    training = PredictorTraining(tmp_path / "turned.jsonl", settings, output, lambda _: Bar())
    training.run()
    training.save("test")

    loaded = predictor.load(output)
    assert loaded.describe_metric() == {"metric": "degrees", **recorded}
    # Of a metric of which lower is better the predictions are negative.
    assert (loaded.predict(codes)[0] < 0).all()


def test_predictor_of_an_older_file_has_the_unit_of_its_known_metric() -> None:
    model = predictor.make("forest", spaces.get("spos-tiny"))
    assert model.describe_metric() == {}
    model.record_training({"metric": "top1"})
    assert model.describe_metric()["unit"] == "percent"
    model.record_training({"metric": "something"})
    assert model.describe_metric() == {"metric": "something"}


class Bar:
    """A progress bar that shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, fraction: float, state: str = "") -> None:
        pass
