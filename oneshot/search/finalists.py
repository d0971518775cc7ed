"""Finalists: the best networks of a search, scored once more by a guide that takes longer."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from oneshot.search.deduplication import Seen, identity
from oneshot.search.evaluations import Evaluations
from oneshot.search.guide import Guide
from oneshot.search.problem import SearchProblem
from oneshot.search.result import SearchResult


def compare_finalists(
    problem: SearchProblem, result: SearchResult, guide: Guide, count: int
) -> SearchResult:
    """Score the best candidates of a search by another guide, and order them by its scores.

    Of candidates that compute the same function the best one is a finalist, as their trainings
    would be the same.

    A guide that scores thousands of networks, such as a predictor, ranks the best ones less well
    than a guide that has minutes for each, such as short trainings, which could not score
    thousands.

    Args:
        problem: Space, constraints and objectives of the search.
        result: Result of the search.
        guide: Guide of the finalists; those that compete in rungs do so at once.
        count: Number of finalists; all candidates where there are fewer.

    Returns:
        The finalists alone, best first by `guide`. The strategy of the result is `finalists`; its
        options are the search that chose them, and their `ranks` in it.

    Raises:
        InvalidGuide: The score of a finalist is not a number.

    Example:
        >>> import spaces
        >>> from oneshot import SearchProblem, run_search
        >>> space = spaces.get("spos-tiny")
        >>> class Count:
        ...     def __init__(self, name):
        ...         self.name = name
        ...
        ...     def score(self, codes):
        ...         return -getattr(space, self.name)(codes).astype(float), np.zeros(len(codes))
        ...
        ...     def to_dict(self):
        ...         return {"kind": self.name}
        >>> problem = SearchProblem(space, Count("macs"))
        >>> first = run_search(problem, options={"generations": 3})
        >>> final = compare_finalists(problem, first, Count("params"), 8)
        >>> len(final), final.guide["kind"], final.strategy["options"]["guide"]["kind"]
        (8, 'params', 'macs')
    """
    begin = time.monotonic()
    ranks = _distinct_ranks(problem, result, count)
    evaluations = Evaluations(replace(problem, guide=guide))
    evaluations.evaluate(np.asfortranarray(result.codes[ranks]))

    history = [{"evaluated": len(evaluations), "best": evaluations.best}]
    seconds = result.seconds + time.monotonic() - begin
    final = evaluations.result({}, result.seed, history, seconds)
    options = {
        "guide": dict(result.guide),
        "strategy": dict(result.strategy),
        "evaluated": len(result),
        "ranks": [ranks[row] for row in final.order],
    }
    return replace(final, strategy={"name": "finalists", "options": options})


def _distinct_ranks(problem: SearchProblem, result: SearchResult, count: int) -> list[int]:
    """Return the ranks of the best candidates, one of each function."""
    seen = Seen(identity(problem.space, isomorphic=True))
    ranks: list[int] = []
    for rank in range(len(result)):
        if len(ranks) == count:
            break
        if len(seen.take(result.codes[rank : rank + 1])):
            ranks.append(rank)
    return ranks
