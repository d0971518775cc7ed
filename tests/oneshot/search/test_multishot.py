"""Multi-shot guides: curves and their closed forms, how users state them, and what they score."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import spaces
from oneshot.errors import InvalidGuide
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.evaluation.work import SupernetEvaluation
from oneshot.run import Run, write_settings
from oneshot.run_settings import RunSettings
from oneshot.search.guide_registry import guide_named
from oneshot.search.multishot.curves import CURVES, Curve, read_at
from oneshot.search.multishot.guide import MultishotGuide, parse_location
from oneshot.search.supernet_guide import SupernetGuide
from spaces import SearchSpace
from tables.evaluation import read
from tests.oneshot.commands.running import done

X = np.array([120.0, 250.0, 500.0, 900.0, 1300.0, 1700.0])
TARGET = 2000.0
CURVE = {curve.name: curve for curve in CURVES}

PARAMS = {
    "logistic": [0.9, -0.7, 2.5],
    "power": [0.95, 3.0, 0.6],
    "equal-power": [0.9, 0.4],
    "hyperbola": [0.5, -20.0, 0.04],
    "log-of-log": [0.2, 0.9],
    "inverse-log": [1.2, 2.0],
}


@pytest.mark.parametrize("name", PARAMS)
def test_curve_is_recovered_from_its_points(name: str) -> None:
    y = CURVE[name].values(PARAMS[name], X)

    reading = read_at(X, y, TARGET, [CURVE[name]])

    expected = CURVE[name].values(PARAMS[name], np.array([TARGET]))[0]
    assert reading.value == pytest.approx(expected, rel=1e-3)
    assert reading.error < 2e-3
    assert reading.deviation < 5e-3


def columns(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The functions of x that the curve is linear in, [n, parameters]."""
    if name == "hyperbola":
        return np.stack([np.ones_like(x), 1 / x, np.log(x)], axis=1)
    return np.stack([np.ones_like(x), -1 / np.log(x)], axis=1)


@pytest.mark.parametrize("name", ["hyperbola", "inverse-log"])
def test_linear_curves_have_the_closed_forms_of_least_squares(name: str) -> None:
    rng = np.random.default_rng(3)
    y = 100 * CURVE[name].values(PARAMS[name], X) + rng.normal(0, 1, len(X))

    reading = read_at(X, y, TARGET, [CURVE[name]])

    design = columns(name, X)
    inverse = np.linalg.inv(design.T @ design)
    gradient = columns(name, np.array([TARGET]))[0]
    params = inverse @ design.T @ y
    hat = design @ inverse @ design.T
    # The error at a point that is left out is its residual over 1 - h (Allen's PRESS).
    left_out = (y - design @ params) / (1 - np.diag(hat))
    error = np.sqrt(np.mean(left_out**2))
    assert reading.value == pytest.approx(gradient @ params, rel=1e-4)
    assert reading.error == pytest.approx(error, rel=1e-3)
    assert reading.deviation == pytest.approx(
        error * np.sqrt(gradient @ inverse @ gradient), rel=1e-2
    )


def test_curve_of_the_least_left_out_error_is_read() -> None:
    rng = np.random.default_rng(0)
    y = 0.8 / (1 + X**-0.7 * np.exp(2.5)) + rng.normal(0, 0.003, len(X))

    chosen = read_at(X, y, TARGET)

    errors = {curve.name: read_at(X, y, TARGET, [curve]).error for curve in CURVES}
    assert chosen.curve == min(errors, key=lambda name: errors[name])
    assert chosen.error == min(errors.values())


def test_reading_is_less_certain_far_from_the_points() -> None:
    rng = np.random.default_rng(1)
    y = 80 - 60 / np.log(X) + rng.normal(0, 0.5, len(X))
    curve = [CURVE["inverse-log"]]

    near, far = (read_at(X, y, target, curve).deviation for target in (700.0, 20_000.0))

    assert far > near


@pytest.mark.parametrize(("count", "curves"), [(2, CURVES), (3, [CURVE["logistic"]])])
def test_too_few_points_are_refused(count: int, curves: list[Curve]) -> None:
    with pytest.raises(ValueError, match="too few"):
        read_at(X[:count], X[:count], TARGET, curves)


@pytest.mark.parametrize(
    "location", ["a,b,c", "a,b,c@flops", "a,b,c@latency_ms=5", "a,b,c@flops=x", "@flops=2e9", "a@1"]
)
def test_text_that_is_no_multishot_guide_is_refused(location: str) -> None:
    with pytest.raises(InvalidGuide, match="it must read multishot:RUN"):
        parse_location(location, f"multishot:{location}")


def space_of(width: int) -> SearchSpace:
    return spaces.get(
        f"spos-tiny(channels=({width}, {2 * width}, {4 * width}), head_channels=16, input_size=16,"
        " repeats=(1, 1, 1), stem_channels=4)"
    )


def supernet(folder: Path, space: SearchSpace) -> Run:
    """A supernet with weights at random."""
    values = {
        "kind": "supernet",
        "space": space.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "seed": 5,
    }
    run = Run(folder, RunSettings.from_dict(values))
    write_settings(run.folder, run.settings)
    run.save(run.build())
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Supernets of four widths."""
    folder = tmp_path_factory.mktemp("multishot")
    return [supernet(folder / str(width), space_of(width)) for width in (8, 12, 16, 24)]


def evaluation(run: Run) -> SupernetEvaluation:
    return SupernetEvaluation(run, EvaluationSettings(40, 1, 40))


def test_scores_are_read_from_the_curves_of_all_supernets(runs: list[Run]) -> None:
    space = space_of(32)
    folders = ",".join(str(run.folder) for run in runs)
    guide = guide_named(
        f"multishot:{folders}@flops=9e6", space, evaluation, rank_by="top1=1,cross_entropy=2"
    )
    codes = space.sample(np.random.default_rng(0), 3)

    scores, deviations = guide.score(codes)

    shots = [SupernetGuide(evaluation(run), space=space).metrics(codes) for run in runs]
    for row in range(len(codes)):
        macs = np.array([float(run.space.macs(codes)[row]) for run in runs]) / 1e6
        top1, entropy = (
            read_at(macs, np.array([shot[row][name] / unit for shot in shots]), 9.0)
            for name, unit in (("top1", 100), ("cross_entropy", 1))
        )
        assert scores[row] == pytest.approx(100 * top1.value - 2 * entropy.value)
        expected = np.hypot(100 * top1.deviation, 2 * entropy.deviation)
        assert deviations[row] == pytest.approx(expected)
    assert guide.to_dict()["macs"] == 9e6
    assert len(guide.to_dict()["supernets"]) == 4


def test_search_journals_each_supernet_and_resumes(runs: list[Run], tmp_path: Path) -> None:
    folders = ",".join(str(run.folder) for run in runs)
    output = tmp_path / "found.json"
    arguments = [
        *("search", "--space", space_of(32).name, "--rank-by", "top1"),
        *("--guide", f"multishot:{folders}@flops=9e6", "--strategy", "random"),
        *("--option", "evaluations=3", "--images", 32, "--recalibration-batches", 1, "-o", output),
    ]

    done(*arguments)
    found = json.loads(output.read_text())
    journals = [tmp_path / f"found.json.evaluations{end}.jsonl" for end in ("", "-2", "-3", "-4")]
    written = [journal.read_text() for journal in journals]
    done(*arguments, "--resume")

    assert [len(read(journal)) for journal in journals] == [3] * 4
    assert [journal.read_text() for journal in journals] == written
    assert json.loads(output.read_text())["best"] == found["best"]
    assert (found["guide"]["kind"], found["guide"]["metric"]) == ("multishot", "top1")


def test_supernets_of_other_choices_or_too_few_are_refused(runs: list[Run]) -> None:
    guides = [SupernetGuide(evaluation(run)) for run in runs]

    with pytest.raises(InvalidGuide, match="at least 3 supernets"):
        MultishotGuide(guides[:2], space_of(32), 9e6, "a,b@flops=9e6")
    with pytest.raises(InvalidGuide, match="other choices"):
        MultishotGuide(guides, spaces.get("spos-tiny(repeats=(1, 1, 2))"), 9e6, "a,b,c,d")
