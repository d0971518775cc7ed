"""Finalists: the best of a search, ordered by a second guide, one of each function."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot.errors import InvalidGuide
from oneshot.search.finalists import compare_finalists
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from oneshot.search.result import SearchResult, read_result
from spaces.space import SearchSpace


class Attribute:
    """Scores by a count of the space, times a sign."""

    def __init__(self, space: SearchSpace, name: str, sign: float = 1.0):
        self.space = space
        self.name = name
        self.sign = sign
        self.scored: list[Any] = []

    def score(self, codes: Any) -> Any:
        """Return the counts, and remember the codes."""
        self.scored.append(codes)
        return self.sign * getattr(self.space, self.name)(codes).astype(float), np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        """Return the name."""
        return {"kind": self.name}


def searched(space: SearchSpace, **options: Any) -> tuple[SearchProblem, SearchResult]:
    problem = SearchProblem(space, Attribute(space, "macs"))
    return problem, run_search(problem, "random", options={"evaluations": 300, **options})


def test_finalists_are_the_best_of_the_search_in_the_order_of_their_own_guide() -> None:
    space = spaces.get("spos-tiny")
    problem, first = searched(space)
    guide = Attribute(space, "params", -1.0)
    final = compare_finalists(problem, first, guide, 8)

    best = first.codes[:8]
    assert sorted(map(tuple, final.codes.tolist())) == sorted(map(tuple, best.tolist()))
    assert final.scores.tolist() == sorted(-space.params(best).astype(float), reverse=True)
    # All at once, so that those which compete in rungs do.
    assert [len(codes) for codes in guide.scored] == [8]
    assert final.guide == {"kind": "params"}
    assert final.strategy["name"] == "finalists"
    options = final.strategy["options"]
    assert (options["guide"], options["evaluated"]) == ({"kind": "macs"}, 300)
    assert np.array_equal(first.codes[options["ranks"]], final.codes)
    assert final.seconds >= first.seconds


def test_of_one_function_there_is_one_finalist() -> None:
    space = spaces.get("nasbench201")
    # Small cells have edges without an operation, so that many compute the same.
    problem = SearchProblem(space, Attribute(space, "macs", -1.0))
    first = run_search(problem, "random", options={"evaluations": 2000})
    final = compare_finalists(problem, first, Attribute(space, "params"), 12)

    assert len(np.unique(space.isomorphism_keys(final.codes), axis=0)) == 12
    # The first of each function: no better one was passed over.
    ranks = sorted(final.strategy["options"]["ranks"])
    searched_codes = first.codes[: ranks[-1] + 1]
    keys = [tuple(key) for key in space.isomorphism_keys(searched_codes).tolist()]
    assert ranks == sorted({keys.index(key) for key in keys})
    assert ranks[-1] > 11


def test_fewer_candidates_than_finalists_are_all_compared() -> None:
    space = spaces.get("spos-tiny")
    problem, first = searched(space, evaluations=5)
    assert len(compare_finalists(problem, first, Attribute(space, "params"), 8)) == 5


def test_results_of_finalists_are_read_back(tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    problem, first = searched(space)
    final = compare_finalists(problem, first, Attribute(space, "params"), 4)
    path = tmp_path / "final.json"
    final.save(path, count=4)
    read = read_result(path)
    assert (len(read), read.strategy, read.best) == (4, final.strategy, final.best)


def test_a_score_that_is_no_number_is_refused() -> None:
    space = spaces.get("spos-tiny")
    problem, first = searched(space)
    with pytest.raises(InvalidGuide, match="the guide gives no number"):
        compare_finalists(problem, first, Attribute(space, "params", float("nan")), 4)
