"""Search problems whose architectures a tuner's `_is_legal` accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from oneshot.search.problem import SearchProblem
from spaces.choice_space import ChoiceSpace, Codes

# Rejection sampling ends after this number of samples: with a twentieth of the space legal, they
# are expected to hold all architectures that were requested.
_MAX_SAMPLINGS = 20


@dataclass(frozen=True)
class LegalProblem(SearchProblem):
    """A search problem with a further condition that only a function knows.

    Args:
        is_legal: Maps codes [n, choices] to whether each architecture is allowed, bool array [n].
    """

    is_legal: Callable[[Codes], NDArray[np.bool_]] = lambda codes: np.ones(len(codes), dtype=bool)

    def feasible(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which of codes [n, choices] are legal and meet every constraint."""
        feasible = super().feasible(codes)
        # The function is slow, so that it is called for the feasible architectures alone.
        feasible[feasible] = self.is_legal(codes[feasible])
        return feasible

    def sample(
        self, rng: np.random.Generator, count: int, subspace: ChoiceSpace | None = None
    ) -> Codes:
        """Sample distinct legal architectures by rejection; see `SearchProblem.sample`.

        Raises:
            InvalidOption: No sampled architecture was legal.
        """
        if not count:
            return super().sample(rng, count, subspace)

        memory = self.seen()
        legal: list[Codes] = []
        num_legal = 0
        for _ in range(_MAX_SAMPLINGS):
            codes = super().sample(rng, count, subspace)
            new = memory.take(codes, len(codes))
            legal.append(new[self.is_legal(new)])
            num_legal += len(legal[-1])
            # A sample that is too small holds all feasible architectures.
            if num_legal >= count or len(codes) < count:
                break

        if not num_legal:
            raise InvalidOption(
                f"_is_legal refused all of {len(memory)} sampled architectures; allow more"
            )

        return np.asfortranarray(np.concatenate(legal)[:count])
