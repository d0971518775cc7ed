"""The interface of strategies, and what most of them need: architectures that are new."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem

_TRIES = 20
_WIDENINGS = 6

Breed: TypeAlias = Callable[[], Codes]
"""Gives children, codes [n, choices]; some may be infeasible or known."""


class Strategy(ABC):
    """Proposes architectures and learns their scores.

    Args:
        problem: what is searched.
        rng: all randomness comes from it.
    """

    name: ClassVar[str]

    def __init__(self, problem: SearchProblem, rng: np.random.Generator):
        self.problem, self.rng = problem, rng
        self.seen = problem.seen()
        self.within = problem.operators

    @property
    @abstractmethod
    def planned(self) -> int:
        """How many evaluations it will ask for at most."""

    @abstractmethod
    def ask(self) -> Codes:
        """Codes [n, choices] to evaluate next, none evaluated before; no rows when the search is
        over.
        """

    @abstractmethod
    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Learn the scores [n] of what `ask` gave."""

    @property
    def nothing(self) -> Codes:
        """Codes without rows, [0, choices]."""
        return np.empty(
            (0, len(self.problem.space.choices)), dtype=self.problem.space.dtype, order="F"
        )

    def fresh(self, count: int) -> Codes:
        """Up to `count` random architectures that meet the constraints and were never given before,
        [n, choices].

        Fewer where no more are found; always in a bounded number of tries.
        """
        found, wanted = self.nothing, count + len(self.seen)
        for _ in range(_WIDENINGS):
            if len(found) >= count:
                break
            drawn = self._draw(wanted)
            found = np.concatenate([found, self.seen.take(drawn, count - len(found))])
            if len(drawn) < wanted:
                break
            wanted *= 2
        return np.asfortranarray(found)

    def _draw(self, count: int) -> Codes:
        within = None if self.within is self.problem.operators else self.within
        return self.problem.sample(self.rng, count, within)

    def bred(self, breed: Breed, count: int) -> Codes:
        """Up to `count` children that meet the constraints and were never given before, in a
        bounded number of tries.

        Args:
            breed: called until there are enough.
            count: how many.
        """
        found = self.nothing
        for _ in range(_TRIES):
            if len(found) >= count:
                break
            children = breed()
            children = children[self.problem.feasible(children)]
            found = np.concatenate([found, self.seen.take(children, count - len(found))])
        return np.asfortranarray(found)
