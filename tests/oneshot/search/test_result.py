"""SearchResult: its file, its front, and the architecture that others take from it."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from oneshot import Constraint, SearchProblem, SearchResult, run_search
from oneshot.search.result import read_result
from spaces import ChainSpace
from spaces.errors import InvalidArchitecture, InvalidFile, PathfitError
from spaces.formats import read_architectures
from tables.cost.model import counting_model

SPACE = spaces.get("spos-tiny")


@pytest.fixture
def result(toy: Any, tiny: ChainSpace) -> SearchResult:
    constraint = Constraint(
        "macs",
        float(np.median(tiny.macs(np.array([[0] * 6, [3] * 6])))),
        counting_model(tiny, "macs"),
    )
    return run_search(SearchProblem(tiny, toy(tiny), [constraint]), options={"generations": 3})


def test_json_gives_the_result_back(result: SearchResult, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "r.json"
    result.save(path, count=5)
    text = path.read_text()
    again = SearchResult.from_dict(json.loads(text))
    assert again.to_dict(5) == json.loads(text)
    assert np.array_equal(again.codes, result.codes)
    assert again.codes.dtype == result.codes.dtype
    assert again.best == result.best
    assert again.front() == result.front()
    assert len(json.loads(text)["best"]) == 5


def test_candidates_are_told_in_full(result: SearchResult, tiny: ChainSpace) -> None:
    best = result.best
    assert best.architecture == tiny.decode(result.codes[:1])[0]
    assert best.costs["macs"] == tiny.macs(best.architecture)
    assert best.costs["params"] == tiny.params(best.architecture)
    assert (best.score, best.deviation) == (result.scores.max(), 0.1)
    assert result.to_dict(10**6)["evaluated"] == len(result.to_dict(10**6)["best"]) == len(result)


def made(scores: list[float], macs: list[float]) -> SearchResult:
    codes = np.concatenate(list(SPACE.enumerate_codes()))[: len(scores)]
    order = np.argsort(-np.array(scores), kind="stable")
    return SearchResult(
        space="spos-tiny",
        guide={},
        constraints=[],
        objectives=["macs"],
        strategy={},
        seed=0,
        codes=codes,
        scores=np.array(scores, dtype=float)[order],
        deviations=np.zeros(len(scores)),
        costs={"macs": np.array(macs, dtype=float)[order]},
        order=order,
        history=[],
    )


def test_the_order_of_evaluation_is_kept(result: SearchResult) -> None:
    again = SearchResult.from_dict(json.loads(json.dumps(result.to_dict())))
    assert np.array_equal(again.order, result.order)
    best = again.best_so_far()
    assert len(best) == len(result)
    assert (np.diff(best) >= 0).all()
    for entry in result.history:
        assert best[int(entry["evaluated"]) - 1] == entry["best"]


def test_jobs_of_the_service_are_read(result: SearchResult, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"id": "x", "state": "done", "result": result.to_dict()}))
    assert read_result(path).best == result.best
    for content in ("{", "[]", json.dumps({"result": {}}), "{}"):
        path.write_text(content)
        with pytest.raises(InvalidFile, match=r"job\.json: "):
            read_result(path)


@given(points=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30))
def test_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    result = made([float(score) for score, _ in points], [float(cost) for _, cost in points])
    found = [(result.scores[rank], result.costs["macs"][rank]) for rank in result.front()]

    def beaten(point: tuple[int, int]) -> bool:
        return any(
            other != point and other[0] >= point[0] and other[1] <= point[1] for other in points
        )

    assert found == sorted({point for point in points if not beaten(point)}, reverse=True)


def test_front_trades_the_first_constraint(result: SearchResult) -> None:
    assert result.objectives == ("macs",)
    other = SearchResult.from_dict({**result.to_dict(), "objectives": ["params"]})
    assert other.front() != result.front()
    both = SearchResult.from_dict({**result.to_dict(), "objectives": ["macs", "params"]})
    assert set(both.front()) >= {result.front()[0], result.front()[-1]}


def test_architectures_are_read_from_what_there_is(result: SearchResult, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    architecture = SPACE.architecture([3, 2, 1, 0, 1, 2])
    path.write_text(architecture.to_json())
    assert read_architectures(path) == [architecture]
    result.save(path)
    assert read_architectures(path) == [result.best.architecture]
    path.write_text(json.dumps({"id": "x", "state": "done", "result": result.to_dict()}))
    assert read_architectures(path) == [result.best.architecture]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        "5",
        '"text"',
        '{"space": "sops", "choices": {}}',
        '{"space": "spos-tiny", "choices": {"layer_1": "k3"}}',
        '{"format": "pathfit-search-result"}',
        '{"format": "pathfit-search-result", "best": []}',
        '{"format": "pathfit-search-result", "best": [5]}',
        '{"format": "pathfit-search-result", "best": [{"architecture": 5}]}',
        '{"result": {}}',
        '{"result": null}',
    ],
)
def test_files_that_hold_no_architecture_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises((InvalidArchitecture, InvalidFile)) as caught:
        read_architectures(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"no\.json: No such file"):
        read_architectures(tmp_path / "no.json")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("format",), "yaml"),
        (("version",), 2),
        (("space",), "sops"),
        (("candidates",), None),
        (("candidates", "codes"), [[9] * 6]),
        (("candidates", "codes"), [[0] * 5]),
        (("candidates", "codes"), [[0.5] * 6]),
        (("candidates", "scores"), "many"),
        (("candidates", "scores"), [1.0]),
        (("candidates", "deviations"), []),
        (("candidates", "costs"), []),
        (("candidates", "order"), [1]),
        (("candidates", "order"), "first"),
        (("objectives",), []),
        (("objectives",), ["watts"]),
        (("candidates", "costs"), {"macs": [1.0]}),
    ],
)
def test_broken_results_are_refused(
    result: SearchResult, place: tuple[str, ...], value: Any
) -> None:
    whole = copy.deepcopy(result.to_dict())
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(PathfitError):
        SearchResult.from_dict(whole)


@pytest.mark.parametrize("value", [None, [], "text", 5, {}])
def test_what_is_no_result_is_refused(value: Any) -> None:
    with pytest.raises(InvalidFile):
        SearchResult.from_dict(value)
