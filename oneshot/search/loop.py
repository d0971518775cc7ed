"""Running a search: a strategy asks, the guide scores, the strategy is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import BrokenStrategy
from oneshot.search.guide import check_scores
from oneshot.search.problem import SearchProblem
from oneshot.search.result import Candidate, SearchResult
from oneshot.strategies.registry import make
from spaces.space import Codes

Progress: TypeAlias = Callable[[int, int, float], None]
"""Told the evaluations done, those planned, and the best score so far; may raise to stop the
search.
"""

AfterBatch: TypeAlias = Callable[[int, Candidate], None]
"""Told the number of a batch, from 1, and the best candidate so far."""

_FRUITLESS = 100  # batches without anything new, after which a search ends


def run_search(
    problem: SearchProblem,
    strategy: str = "evolution",
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = lambda done, planned, best: None,
    after_batch: AfterBatch | None = None,
    chunk: int | None = None,
) -> SearchResult:
    """Search a problem to its end.

    No architecture is evaluated twice, whatever the strategy asks for: what is known is told again.

    Args:
        problem: space, guide, constraints and objectives.
        strategy: a name from `oneshot.strategies.available()`.
        options: of the strategy.
        seed: the same seed gives the same result.
        progress: called after every batch, and after every chunk.
        after_batch: called after every batch.
        chunk: how many architectures the guide scores at once; None: a whole batch.

    Raises:
        UnknownName: no such strategy.
        InvalidOption: the strategy does not accept an option.
        Infeasible: nothing meets all constraints at once.
        BrokenStrategy: the strategy asks for what breaks a constraint, or for nothing at all.
        InvalidGuide: the guide gives no number for an architecture.
    """
    begin = time.monotonic()
    chosen = make(strategy, problem, np.random.default_rng(seed), options or {})
    known = _Known(problem)
    history: list[dict[str, float]] = []
    fruitless = 0
    while fruitless < _FRUITLESS and len(codes := chosen.ask()):
        if not problem.feasible(codes).all():
            raise BrokenStrategy(
                f"the strategy {chosen.name} asked for a network that breaks a constraint"
            )
        new = known.new(codes)
        for part in _chunks(new, chunk):
            known.evaluate(part)
            progress(len(known), chosen.planned, known.best)
        chosen.tell(codes, known.scores_of(codes))
        fruitless = 0 if len(new) else fruitless + 1
        if len(new):
            history.append({"evaluated": len(known), "best": known.best})
            if after_batch is not None:
                after_batch(len(history), known.best_candidate())
    if not len(known):
        raise BrokenStrategy(f"the strategy {chosen.name} asked for nothing")
    given = {"name": chosen.name, "options": dict(options or {})}
    return known.result(given, seed, history, time.monotonic() - begin)


class _Known:
    """What was evaluated, in its order."""

    def __init__(self, problem: SearchProblem):
        self.problem, self.seen = problem, problem.seen()
        self.codes: list[Codes] = []
        self.scores: list[NDArray[np.float64]] = []
        self.deviations: list[NDArray[np.float64]] = []
        self.best, self._best_codes = -np.inf, np.empty((0, 0), dtype=np.int8)
        self._best_deviation = 0.0
        self._by_key: dict[Any, float] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def new(self, codes: Codes) -> Codes:
        return self.seen.new(codes)

    def evaluate(self, codes: Codes) -> None:
        scores, deviations = self.problem.guide.score(codes)
        check_scores(self.problem.space, codes, scores)
        self._by_key.update(zip(self.seen.keys(codes), scores.tolist(), strict=True))
        self.seen.take(codes)
        self.codes.append(codes)
        self.scores.append(scores)
        self.deviations.append(deviations)
        row = int(scores.argmax())
        if scores[row] > self.best or not self._best_codes.size:
            self.best, self._best_codes = float(scores[row]), codes[row : row + 1]
            self._best_deviation = float(deviations[row])

    def scores_of(self, codes: Codes) -> NDArray[np.float64]:
        return np.array([self._by_key[key] for key in self.seen.keys(codes)])

    def best_candidate(self) -> Candidate:
        costs = {
            name: float(model.estimate(self._best_codes)[0])
            for name, model in self.problem.costs.items()
        }
        return Candidate(
            self.problem.space.decode(self._best_codes)[0], self.best, self._best_deviation, costs
        )

    def result(
        self,
        strategy: Mapping[str, Any],
        seed: int,
        history: list[dict[str, float]],
        seconds: float,
    ) -> SearchResult:
        problem = self.problem
        scores = np.concatenate(self.scores)
        order = np.argsort(-scores, kind="stable")
        codes = np.asfortranarray(np.concatenate(self.codes)[order])
        return SearchResult(
            space=problem.space.name,
            guide=problem.guide.to_dict(),
            constraints=[constraint.to_dict() for constraint in problem.constraints],
            objectives=problem.traded,
            strategy=strategy,
            seed=seed,
            codes=codes,
            scores=scores[order],
            deviations=np.concatenate(self.deviations)[order],
            costs={metric: model.estimate(codes) for metric, model in problem.costs.items()},
            order=order,
            history=history,
            seconds=seconds,
        )


def _chunks(codes: Codes, size: int | None) -> list[Codes]:
    step = size or max(1, len(codes))
    return [np.asfortranarray(codes[start : start + step]) for start in range(0, len(codes), step)]
