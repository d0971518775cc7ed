"""The evaluations of a search, from its first batch to its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.search.guide import check_scores
from oneshot.search.problem import SearchProblem
from oneshot.search.result import Candidate, SearchResult
from spaces.space import Codes


class Evaluations:
    """The architectures that a guide evaluated, in their order.

    Args:
        problem: Space, guide, constraints and objectives of the search.

    Attributes:
        best: Best score so far; -inf before the first one.
    """

    def __init__(self, problem: SearchProblem):
        self.problem = problem
        self.seen = problem.seen()
        self.codes: list[Codes] = []
        self.scores: list[NDArray[np.float64]] = []
        self.deviations: list[NDArray[np.float64]] = []
        self.best = -np.inf
        self._best_codes: Codes = np.empty((0, 0), dtype=np.int8)
        self._best_deviation = 0.0
        self._by_key: dict[Any, float] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def new(self, codes: Codes) -> Codes:
        """Return those of codes [n, choices] that were not evaluated yet, each once."""
        return self.seen.new(codes)

    def evaluate(self, codes: Codes) -> None:
        """Let the guide score new codes [n, choices]; raises InvalidGuide for no number."""
        scores, deviations = self.problem.guide.score(codes)
        check_scores(self.problem.space, codes, scores)
        self._by_key.update(zip(self.seen.keys(codes), scores.tolist(), strict=True))
        self.seen.take(codes)
        self.codes.append(codes)
        self.scores.append(scores)
        self.deviations.append(deviations)

        row = int(scores.argmax())

        # A first score of -inf is the best so far too.
        if scores[row] > self.best or not self._best_codes.size:
            self.best = float(scores[row])
            self._best_codes = codes[row : row + 1]
            self._best_deviation = float(deviations[row])

    def scores_of(self, codes: Codes) -> NDArray[np.float64]:
        """Return the scores [n] of evaluated codes [n, choices]."""
        return np.array([self._by_key[key] for key in self.seen.keys(codes)])

    def best_candidate(self) -> Candidate:
        """Return the candidate with the greatest score so far."""
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
        """Return all evaluations, best first.

        Args:
            strategy: Name and options of the strategy.
            seed: Seed of the search.
            history: Number of evaluations and the best score so far, after each batch.
            seconds: Duration of the search.
        """
        problem = self.problem
        scores = np.concatenate(self.scores)

        # Stable: of equal scores the earlier evaluation is first.
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
