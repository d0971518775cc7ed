"""The interface of search strategies, with sampling of architectures that are new."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem

# Bounds, since a small or tightly constrained space may have no new architecture.
_MAX_BREEDINGS = 20
_MAX_SAMPLINGS = 6

Breed: TypeAlias = Callable[[], Codes]
"""Returns children as codes [n, choices]; some may be infeasible or evaluated before."""


class Strategy(ABC):
    """A search strategy, which proposes architectures and learns their scores.

    A search alternates `ask` and `tell` until `ask` returns no rows.

    Args:
        problem: Space, guide, constraints and objectives of the search.
        rng: Source of all randomness.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from oneshot import SearchProblem
        >>> class TenRandom(Strategy):
        ...     planned = 10
        ...
        ...     def ask(self):
        ...         return self.sample_new(self.planned - len(self.seen))
        ...
        ...     def tell(self, codes, scores):
        ...         pass
        >>> problem = SearchProblem(spaces.get("spos-tiny"), guide=None)
        >>> strategy = TenRandom(problem, np.random.default_rng(0))
        >>> [len(strategy.ask()) for _ in range(2)]
        [10, 0]
    """

    name: ClassVar[str]

    def __init__(self, problem: SearchProblem, rng: np.random.Generator):
        self.problem = problem
        self.rng = rng

        # Architectures that were proposed before.
        self.seen = problem.seen()

        # Space of all proposals; a stage of a search may restrict it further.
        self.proposal_space = problem.reduced_space

    @property
    @abstractmethod
    def planned(self) -> int:
        """Largest number of evaluations that the strategy requests."""

    @abstractmethod
    def ask(self) -> Codes:
        """Return the codes [n, choices] to evaluate next, none of them evaluated before.

        No rows end the search.
        """

    @abstractmethod
    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Learn the scores [n] of the codes that `ask` returned; greater is better."""

    def learn(self, codes: Codes, scores: NDArray[np.float64]) -> None:  # noqa: B027 (optional)
        """Learn the scores [n] of known codes that `ask` did not return; greater is better.

        By default they are only not proposed again.
        """

    @property
    def empty(self) -> Codes:
        """Codes without rows, [0, choices]."""
        space = self.problem.space
        return np.empty((0, len(space.choices)), dtype=space.dtype, order="F")

    def sample_new(self, count: int) -> Codes:
        """Sample architectures that meet the constraints and were not proposed before.

        Args:
            count: Number of architectures. Fewer are returned where the constraints leave fewer, or
                a bounded number of samples has no more.

        Returns:
            Codes [at most count, choices].
        """
        proposals = self.empty
        sample_size = count + len(self.seen)
        for _ in range(_MAX_SAMPLINGS):
            if len(proposals) >= count:
                break
            sample = self._sample(sample_size)
            new = self.seen.take(sample, count - len(proposals))
            proposals = np.concatenate([proposals, new])

            # A sample that is too small holds all architectures that can be reached.
            if len(sample) < sample_size:
                break
            sample_size *= 2

        return np.asfortranarray(proposals)

    def make_children(self, breed: Breed, count: int) -> Codes:
        """Breed children that meet the constraints and were not proposed before.

        Args:
            breed: Called until there are enough children, at most 20 times.
            count: Number of children.

        Returns:
            Codes [at most count, choices].
        """
        proposals = self.empty
        for _ in range(_MAX_BREEDINGS):
            if len(proposals) >= count:
                break
            children = breed()
            children = children[self.problem.feasible(children)]
            new = self.seen.take(children, count - len(proposals))
            proposals = np.concatenate([proposals, new])
        return np.asfortranarray(proposals)

    def _sample(self, count: int) -> Codes:
        is_restricted = self.proposal_space is not self.problem.reduced_space

        # The problem begins its own space's samples at the cheapest networks: it takes None for it.
        space = self.proposal_space if is_restricted else None
        return self.problem.sample(self.rng, count, space)
