"""The predictor loop: evaluate, fit a predictor, evaluate what it proposes (as aw_nas's
predictor-based search).

Ning et al., "A Generic Graph-based Neural Architecture Encoding Scheme for Predictor-based NAS",
ECCV 2020 (arXiv 2004.01899, algorithm 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from oneshot.strategies.aging import changed_once
from oneshot.strategies.base import Strategy
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem
    from predictor.base import Predictor

_FEWEST = 10  # that a predictor is fitted on
_PARENTS = 20  # of the best so far, whose neighbours are proposed


@register_strategy("predictor-loop")
class PredictorLoop(Strategy):
    """Every round fits a predictor on all that is known and evaluates the most promising of a pool.

    The pool is half random and half neighbours of the best so far (one or two choices changed);
    promising is what has a high predicted mean plus `exploration` deviations.

    Args:
        problem: what is searched; its guide is what is to be asked seldom.
        rng: all randomness comes from it.
        initial: random architectures evaluated before the first fit.
        batch: evaluated in a round.
        rounds: how many.
        predictor: its kind, from `predictor.available()`; `default`: the space's.
        pool: architectures that the predictor ranks in a round.
        exploration: deviations added to the mean.

    Raises:
        InvalidOption: `initial` is too few for a predictor, or there is no such predictor.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        initial: int = 40,
        batch: int = 20,
        rounds: int = 10,
        predictor: str = "default",
        pool: int = 2000,
        exploration: float = 0.5,
    ):
        super().__init__(problem, rng)
        self.initial, self.batch, self.rounds = initial, batch, rounds
        self.predictor, self.pool, self.exploration = predictor, max(pool, batch), exploration
        if initial < _FEWEST:
            raise InvalidOption(
                f"predictor-loop: initial must be at least {_FEWEST}, not {initial}"
            )
        self._check_predictor()
        self.round = 0
        self.known, self.scores = self.nothing, np.empty(0)

    @property
    def planned(self) -> int:
        """The initial ones and the rounds' batches."""
        return self.initial + self.batch * self.rounds

    def ask(self) -> Codes:
        """A random sample first; then the most promising of a pool."""
        if self.round > self.rounds:
            return self.nothing
        self.round += 1
        if self.round == 1:
            return self.fresh(self.initial)
        if len(self.known) < _FEWEST:  # the constraints leave too few for a predictor
            return self.fresh(self.batch)
        found = self._make(int(self.rng.integers(1 << 31)))
        found.fit(self.known, self.scores)
        pool = self._pool()
        if not len(pool):
            return self.nothing
        mean, deviation = found.predict(pool)
        order = np.argsort(-(mean + self.exploration * deviation), kind="stable")
        return self.seen.take(pool[order], self.batch)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Remember them for the next fit."""
        self.known = np.asfortranarray(np.concatenate([self.known, codes]))
        self.scores = np.concatenate([self.scores, scores])

    def _pool(self) -> Codes:
        """Feasible architectures that were not evaluated, codes [at most pool, choices]."""
        space = self.problem.space
        drawn = self.problem.sample(self.rng, self.pool + len(self.seen))
        best = self.known[np.argsort(-self.scores, kind="stable")[:_PARENTS]]
        neighbours = changed_once(
            space, best[self.rng.integers(len(best), size=2 * self.pool)], self.rng
        )
        further = self.rng.random(len(neighbours)) < 0.5
        neighbours[further] = changed_once(space, np.asfortranarray(neighbours[further]), self.rng)
        near = self.seen.new(neighbours[self.problem.feasible(neighbours)])[: self.pool // 2]
        return np.asfortranarray(self.seen.new(np.concatenate([near, drawn]))[: self.pool])

    def _check_predictor(self) -> None:
        from predictor.registry import available

        known = ("default", *available())
        if self.predictor not in known:
            raise InvalidOption(
                f"predictor-loop: there is no predictor {self.predictor!r}; there is:"
                f" {', '.join(known)}"
            )

    def _make(self, seed: int) -> Predictor:
        from predictor.registry import default, make

        if self.predictor == "default":
            return default(self.problem.network_space, seed)
        return make(self.predictor, self.problem.network_space, seed)
