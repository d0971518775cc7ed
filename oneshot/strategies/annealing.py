"""Simulated annealing (Kirkpatrick, Gelatt and Vecchi, Science 220, 1983)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from oneshot.strategies.aging import changed_once
from oneshot.strategies.base import Strategy
from oneshot.strategies.evolution import check_probability
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem

# Neighbours drawn at once; those after a step are not used.
_NUM_DRAWS = 20
# Draws without a new neighbour after which a walk restarts.
_MAX_DRAWS = 20


@register_strategy("annealing")
class SimulatedAnnealing(Strategy):
    """Walks from neighbour to neighbour, also to worse ones while the temperature is high.

    A neighbour differs in one choice. The walk moves to it with the probability
    min(1, exp((score of the neighbour - score of the current one) / temperature)), and every step
    multiplies the temperature by `cooling`. Steps to architectures that were evaluated before take
    no evaluation. A walk without a new neighbour restarts at a random architecture.

    Args:
        problem: Space, guide, constraints and objectives of the search.
        rng: Source of all randomness.
        evaluations: Number of architectures to evaluate.
        temperature: Temperature of the first step, in units of the score; at 0 the walk only moves
            to architectures that are as good or better.
        cooling: Factor from one step's temperature to the next, between 0 and 1.

    Raises:
        InvalidOption: The temperature is negative or infinite, or the cooling is no factor.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        evaluations: int = 1000,
        temperature: float = 0.3,
        cooling: float = 0.99,
    ):
        super().__init__(problem, rng)
        check_probability("annealing", "cooling", cooling)
        if not 0 <= temperature < math.inf:
            raise InvalidOption(
                f"annealing: temperature must be at least 0 and finite, not {temperature!r}"
            )
        self.evaluations = evaluations
        self.temperature = temperature
        self.cooling = cooling

        self.current: NDArray[np.signedinteger] | None = None
        """Codes [choices] of the architecture at which the walk is; None before it begins."""
        self.current_score = -math.inf

        self._requested = 0
        # By key, as different codes may be one architecture.
        self._scores: dict[Any, float] = {}

    @property
    def planned(self) -> int:
        """The option `evaluations`."""
        return self.evaluations

    def ask(self) -> Codes:
        """Return a neighbour of the current architecture, or a random one where a walk begins."""
        if self._requested == self.evaluations:
            return self.empty

        neighbours = self._walk()
        if not len(neighbours):
            # Its score is no reason against the beginning of a walk.
            self.current_score = -math.inf
            neighbours = self.sample_new(1)
        self._requested += len(neighbours)
        return np.asfortranarray(neighbours)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Move to the proposed architecture, or stay."""
        for row, key, score in zip(codes, self.seen.keys(codes), scores.tolist(), strict=True):
            self._scores[key] = score
            self._step(row, score)

    def learn(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Begin at the best of known architectures, unless the walk is at a better one."""
        if not len(codes):
            return
        self._scores.update(zip(self.seen.keys(codes), scores.tolist(), strict=True))
        best = int(scores.argmax())
        if scores[best] > self.current_score:
            self.current = codes[best]
            self.current_score = float(scores[best])

    def _walk(self) -> Codes:
        """Step between known architectures; return the first new neighbour, or no rows."""
        if self.current is None:
            return self.empty

        for _ in range(_MAX_DRAWS):
            copies = np.tile(self.current, (_NUM_DRAWS, 1))
            neighbours = changed_once(self.problem.space, copies, self.rng)
            neighbours = neighbours[self.problem.feasible(neighbours)]

            for row, key in zip(neighbours, self.seen.keys(neighbours), strict=True):
                if len(new := self.seen.take(row[None])):
                    return new
                # Architectures that were proposed and not answered have no score.
                if key in self._scores and self._step(row, self._scores[key]):
                    break
        return self.empty

    def _step(self, codes: NDArray[np.signedinteger], score: float) -> bool:
        """Move to an architecture, or stay, and cool; return whether the walk moved."""
        difference = score - self.current_score
        moves = difference >= 0
        if not moves and self.temperature > 0:
            # Metropolis' rule.
            moves = self.rng.random() < math.exp(difference / self.temperature)
        if moves:
            self.current = codes
            self.current_score = score

        self.temperature *= self.cooling
        return moves
