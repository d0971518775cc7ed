"""The predictor loop: evaluate, fit a predictor, evaluate its best.

Ning et al., "A Generic Graph-based Neural Architecture Encoding Scheme for Predictor-based NAS",
ECCV 2020 (arXiv 2004.01899), algorithm 1, as aw_nas's predictor-based search.
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

# Fewest evaluations that a predictor is fitted on.
_MIN_FITTED = 10
# Best architectures so far whose neighbours are proposed.
_NUM_PARENTS = 20


@register_strategy("predictor-loop")
class PredictorLoop(Strategy):
    """Fits a predictor to all evaluations in each round, and evaluates the best of a pool.

    One half of the pool is random, the other consists of neighbours of the best architectures so
    far, with one or two choices changed. The first of a batch has the greatest predicted mean, the
    last the greatest mean plus twice `exploration` deviations; from place to place their number
    rises evenly. Architectures whose network was evaluated come last.

    Args:
        problem: Space, guide, constraints and objectives of the search. The loop suits guides that
            are expensive.
        rng: Source of all randomness.
        initial: Number of random architectures evaluated before the first fit.
        batch: Number of architectures evaluated per round.
        rounds: Number of rounds.
        predictor: Kind of the predictor, from `predictor.available()`; "default" for the space's.
        pool: Number of architectures that the predictor ranks per round.
        exploration: Number of deviations added to the predicted mean, on average over a batch.

    Raises:
        InvalidOption: `initial` is too small to fit a predictor, or the kind does not exist.
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
        self.initial = initial
        self.batch_size = batch
        self.rounds = rounds
        self.predictor = predictor
        self.pool_size = max(pool, batch)
        self.exploration = exploration
        if initial < _MIN_FITTED:
            raise InvalidOption(
                f"predictor-loop: initial must be at least {_MIN_FITTED}, not {initial}"
            )

        # An unknown predictor is an error before the first evaluations, which may take hours.
        self._check_predictor()
        self.round = 0
        self.evaluated = self.empty
        self.scores = np.empty(0)

    @property
    def planned(self) -> int:
        """Number of initial architectures and of those of all rounds."""
        return self.initial + self.batch_size * self.rounds

    def ask(self) -> Codes:
        """Return a random sample first, then the best of a pool by the predictor."""
        if self.round > self.rounds:
            return self.empty
        self.round += 1
        if self.round == 1:
            return self.sample_new(self.initial)

        # The constraints may leave too few architectures for a predictor.
        if len(self.evaluated) < _MIN_FITTED:
            return self.sample_new(self.batch_size)

        model = self._make_predictor(int(self.rng.integers(1 << 31)))
        model.fit(self.evaluated, self.scores)
        pool = self._pool()
        if not len(pool):
            return self.empty

        mean, deviation = model.predict(pool)
        is_new = self._has_new_network(pool)
        added = np.linspace(0, 2 * self.exploration, self.batch_size)
        if self.batch_size == 1:
            added[:] = self.exploration
        bounds = mean + added[:, None] * deviation
        return self.seen.take(pool[_best_of_each(bounds, is_new)], self.batch_size)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Add the evaluations to those of the next fit."""
        self.evaluated = np.asfortranarray(np.concatenate([self.evaluated, codes]))
        self.scores = np.concatenate([self.scores, scores])

    def _has_new_network(self, pool: Codes) -> NDArray[np.bool_]:
        """Return which architectures [n] are the first of their network, and not evaluated."""
        space = self.problem.space
        networks = [space.representatives(codes) for codes in (self.evaluated, pool)]
        _, first = np.unique(np.concatenate(networks), axis=0, return_index=True)
        return np.isin(np.arange(len(pool)) + len(self.evaluated), first)

    def _pool(self) -> Codes:
        """Return new, feasible architectures, codes [at most pool_size, choices]."""
        space = self.problem.space

        # As many more as were evaluated, since all of those may be in the sample.
        sample = self.problem.sample(self.rng, self.pool_size + len(self.seen))

        best = self.evaluated[np.argsort(-self.scores, kind="stable")[:_NUM_PARENTS]]
        rows = self.rng.integers(len(best), size=2 * self.pool_size)
        neighbours = changed_once(space, best[rows], self.rng)

        # Every second neighbour is changed twice.
        is_changed_twice = self.rng.random(len(neighbours)) < 0.5
        neighbours[is_changed_twice] = changed_once(
            space, np.asfortranarray(neighbours[is_changed_twice]), self.rng
        )

        neighbours = self.seen.new(neighbours[self.problem.feasible(neighbours)])
        pool = np.concatenate([neighbours[: self.pool_size // 2], sample])
        return np.asfortranarray(self.seen.new(pool)[: self.pool_size])

    def _check_predictor(self) -> None:
        from predictor.registry import available

        kinds = ("default", *available())
        if self.predictor not in kinds:
            raise InvalidOption(
                f"predictor-loop: unknown predictor {self.predictor!r}; available:"
                f" {', '.join(kinds)}"
            )

    def _make_predictor(self, seed: int) -> Predictor:
        from predictor.registry import default, make

        if self.predictor == "default":
            return default(self.problem.network_space, seed)
        return make(self.predictor, self.problem.network_space, seed)


def _best_of_each(bounds: NDArray[np.float64], is_new: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the order in which architectures are evaluated.

    Args:
        bounds: What ranks the architectures at each place of a batch, [places, n].
        is_new: Which architectures are taken first, [n].

    Returns:
        At each place the best that no earlier place has, then all others by the last bounds, [n].
    """
    orders = np.lexsort((-bounds, np.broadcast_to(~is_new, bounds.shape)))
    taken = np.zeros(len(is_new), dtype=bool)
    chosen = []
    for order in orders[: len(is_new)]:
        best = order[np.argmin(taken[order])]
        taken[best] = True
        chosen.append(best)

    last = orders[-1]
    return np.concatenate([chosen, last[~taken[last]]])
