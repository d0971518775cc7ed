"""Guides: what results record of them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

import predictor
from oneshot import PredictorGuide
from oneshot.errors import InvalidGuide
from oneshot.run import begin
from oneshot.run_settings import RunSettings
from oneshot.search.guide import Describing, LowerBoundGuide
from oneshot.search.guide_registry import guide_named
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from oneshot.training.recipe import Recipe
from predictor.base import Predictor
from predictor.errors import NotRelaxable
from spaces import ChainSpace


def test_a_supernet_that_has_a_name_does_not_tell_its_folder(
    small: ChainSpace, tmp_path: Path
) -> None:
    """As the service calls it, whose answers others read."""
    settings = {
        "kind": "supernet",
        "space": small.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "recipe": Recipe().to_dict(),
        "seed": 0,
    }
    run = begin(tmp_path / "supernet", RunSettings.from_dict(settings), resume=False)
    run.save(run.build())
    named = guide_named(f"supernet:{run.folder}", small, name="mine").to_dict()
    assert named["name"] == named["run"] == "mine"
    assert str(tmp_path) not in json.dumps(named)
    plain = guide_named(f"supernet:{run.folder}", small).to_dict()
    assert plain == {**named, "name": str(run.folder), "run": str(run.folder)}


@pytest.mark.parametrize(
    ("trained_on", "description"),
    [({"evidence": "evidence: 24 short trainings"}, "evidence: 24 short trainings"), ({}, "")],
)
def test_predictor_guide_repeats_the_evidence_of_its_predictor(
    tiny: ChainSpace, trained_on: dict[str, str], description: str
) -> None:
    model = cast("Predictor", SimpleNamespace(space=tiny, trained_on=trained_on))

    guide = PredictorGuide(model, "mine")

    assert isinstance(guide, Describing)
    assert guide.describe() == description


def test_lower_bound_guide_scores_the_mean_less_one_deviation(
    small: ChainSpace, tmp_path: Path
) -> None:
    codes = np.unique(small.sample(np.random.default_rng(0), 40), axis=0)
    model = predictor.make("forest", small)
    model.fit(codes, np.log(small.macs(codes)))
    path = tmp_path / "forest.safetensors"
    model.save(path)

    guide = guide_named(f"lower-bound:{path}", small)

    bounds, deviations = guide.score(codes)
    mean, expected_deviations = model.predict(codes)
    assert np.allclose(bounds, mean - expected_deviations)
    assert np.array_equal(deviations, expected_deviations)
    assert guide.to_dict() == {"kind": "lower-bound", "name": str(path)}
    assert isinstance(guide, LowerBoundGuide)
    assert guide.describe() == "scores are lower bounds, the mean less one deviation"
    with pytest.raises(NotRelaxable, match="take predictor:FILE"):
        guide.score_relaxed([])


def test_lower_bound_guide_of_another_space_is_refused(
    small: ChainSpace, tiny: ChainSpace, tmp_path: Path
) -> None:
    codes = np.unique(small.sample(np.random.default_rng(0), 40), axis=0)
    model = predictor.make("forest", small)
    model.fit(codes, np.log(small.macs(codes)))
    model.save(tmp_path / "forest.safetensors")

    with pytest.raises(InvalidGuide, match="is one for"):
        guide_named(f"lower-bound:{tmp_path}/forest.safetensors", tiny)


def test_result_of_a_search_has_the_evidence_of_its_predictor(small: ChainSpace) -> None:
    codes = np.unique(small.sample(np.random.default_rng(0), 40), axis=0)
    model = predictor.make("forest", small)
    model.fit(codes, np.log(small.macs(codes)))
    evidence = "evidence: 40 supernet evaluations; Kendall's tau 0.78 on 10 others"
    model.record_training({"evidence": evidence})

    problem = SearchProblem(small, PredictorGuide(model, "mine"))
    result = run_search(problem, "random", options={"evaluations": 3})

    assert result.to_dict()["guide"]["evidence"] == evidence
    assert LowerBoundGuide(model, "mine").to_dict()["evidence"] == evidence
