"""A supernet ranks architectures by the metric that the user names."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from oneshot import SearchProblem, run_search
from oneshot.errors import InvalidGuide
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.evaluation.work import SupernetEvaluation
from oneshot.search.guide_registry import guide_named
from oneshot.search.supernet_guide import SupernetGuide
from oneshot.tasks import Classification
from spaces import ChainSpace
from tables.evaluation import Journal
from tests.published import published


class Evaluation:
    """Evaluation whose cross-entropy and accuracy rank architectures in opposite orders."""

    engine = "made-up"

    def __init__(self, space: ChainSpace):
        self.run = SimpleNamespace(space=space)
        self.evaluated = 0
        self.metrics_task = Classification()
        self.conditions = None

    def source(self) -> dict[str, Any]:
        return {"kind": "supernet", "run": "made-up", "task": "classification"}

    def stream(self, codes: Any) -> Iterator[tuple[int, dict[str, float]]]:
        for index, row in enumerate(codes):
            self.evaluated += 1
            yield index, {"cross_entropy": float(row.sum()) + 1, "top1": float(row.sum()) * 5}


def made_up(space: ChainSpace) -> SupernetEvaluation:
    return cast("SupernetEvaluation", Evaluation(space))


def test_the_named_metric_ranks(tiny: ChainSpace) -> None:
    codes = tiny.sample(np.random.default_rng(0), 8)
    sums = codes.sum(axis=1)

    by_default, _ = SupernetGuide(made_up(tiny)).score(codes)
    by_accuracy, _ = SupernetGuide(made_up(tiny), rank_by="top1").score(codes)

    assert by_default.tolist() == (-sums - 1).tolist()
    assert by_accuracy.tolist() == (5 * sums).tolist()


def test_a_search_by_accuracy_is_recorded_and_resumes_by_either_metric(
    tiny: ChainSpace, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "evaluations.jsonl", tiny.name)
    guide = SupernetGuide(made_up(tiny), journal, rank_by=published("spos.search.ranking"))
    result = run_search(SearchProblem(tiny, guide), options={"generations": 2})

    resumed = Evaluation(tiny)
    journal = Journal(tmp_path / "evaluations.jsonl", tiny.name)
    by_loss = SupernetGuide(cast("SupernetEvaluation", resumed), journal)
    by_loss.score(result.codes)

    assert result.guide["rank_by"] == "top1"
    assert "rank_by" not in by_loss.to_dict()
    assert result.codes[0].sum() == result.codes.sum(axis=1).max()
    assert resumed.evaluated == 0


def test_other_rankings_are_refused(tiny: ChainSpace) -> None:
    with pytest.raises(InvalidGuide, match=r"rank_by must be one of .*, not 'accuracy'"):
        SupernetGuide(made_up(tiny), rank_by="accuracy")
    with pytest.raises(InvalidGuide, match="--rank-by is for supernets, not for"):
        guide_named("predictor:FILE", tiny, rank_by="top1")


def test_candidates_are_evaluated_on_as_many_images_as_published() -> None:
    settings = EvaluationSettings()
    assert published("spos.search.ranking") in Classification.metrics
    assert settings.images == published("spos.search.validation_images")
    assert settings.recalibration_batches == published("spos.search.recalibration_batches")
    assert settings.recalibration_batch_size == published("spos.search.recalibration_batch_size")
