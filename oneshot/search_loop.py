"""Running a search: a strategy asks, the guide scores, the strategy is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from oneshot.problem import SearchProblem
from oneshot.result import SearchResult
from oneshot.strategies.base import make

Progress: TypeAlias = Callable[[int, int, float], None]
"""Told the evaluations done, those planned, and the best score so far; may raise to stop the search."""


def search(
    problem: SearchProblem,
    strategy: str = "evolution",
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = lambda done, planned, best: None,
) -> SearchResult:
    """Search a problem to its end.

    Args:
        problem: space, guide and constraints.
        strategy: a name from `oneshot.strategies.base.available()`.
        options: of the strategy.
        seed: the same seed gives the same result.
        progress: called after every batch.

    Raises:
        UnknownName: no such strategy.
        InvalidOption: the strategy does not accept an option.
        Infeasible: nothing meets all constraints at once.
    """
    begin = time.monotonic()
    chosen = make(strategy, problem, np.random.default_rng(seed), options or {})
    parts: list[tuple[Any, Any, Any]] = []
    history: list[dict[str, float]] = []
    done, best = 0, -np.inf
    while len(codes := chosen.ask()):
        scores, deviations = problem.guide.score(codes)
        chosen.tell(codes, scores)
        parts.append((codes, scores, deviations))
        done, best = done + len(codes), max(best, float(scores.max()))
        history.append({"evaluated": done, "best": best})
        progress(done, chosen.planned, best)
    codes, scores, deviations = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(-scores, kind="stable")
    codes = np.asfortranarray(codes[order])
    return SearchResult(
        space=problem.space.name,
        guide=problem.guide.to_dict(),
        constraints=[constraint.to_dict() for constraint in problem.constraints],
        strategy={"name": chosen.name, "options": dict(options or {})},
        seed=seed,
        codes=codes,
        scores=scores[order],
        deviations=deviations[order],
        costs={metric: model.estimate(codes) for metric, model in problem.costs.items()},
        history=history,
        seconds=time.monotonic() - begin,
    )
