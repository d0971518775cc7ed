"""Restriction: a part of a space, in which some choices have fewer candidates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes, SearchSpace


class Restriction:
    """Draws architectures of a space from some of its candidates only; its codes are those of the
    space.

    Args:
        space: a regular one, in which every combination of candidates is an architecture.
        allowed: for each choice the codes that remain, int array [at least 1].
    """

    def __init__(self, space: SearchSpace, allowed: Sequence[NDArray[np.integer]]):
        assert not space.irregular, "of an irregular space a part may be empty"
        self.space, self.name = space, space.name
        self.allowed = [np.asarray(codes, dtype=space.dtype) for codes in allowed]

    @property
    def size(self) -> int:
        """How many architectures remain."""
        return math.prod(map(len, self.allowed))

    def sample(self, rng: np.random.Generator, n: int) -> Codes:
        """Codes [n, choices] of n uniform architectures."""
        codes = np.empty((n, len(self.allowed)), dtype=self.space.dtype, order="F")
        for column, allowed in enumerate(self.allowed):
            codes[:, column] = allowed[rng.integers(len(allowed), size=n)]
        return codes

    def mutate(self, codes: Codes, rng: np.random.Generator, probability: float = 0.1) -> Codes:
        """Redraw every gene of `codes` [n, choices] with `probability`."""
        fresh = self.sample(rng, len(codes))
        return np.asfortranarray(
            np.where(rng.random(codes.shape) < probability, fresh, codes), dtype=self.space.dtype
        )

    def crossover(self, mothers: Codes, fathers: Codes, rng: np.random.Generator) -> Codes:
        """Take every gene from one of the two parents (codes [n, choices] each) with equal
        chance.
        """
        return self.space.crossover(mothers, fathers, rng)

    def enumerate_codes(self, batch: int = 1 << 16) -> Iterator[Codes]:
        """Every architecture as codes [at most batch, choices], the last choice fastest."""
        for start in range(0, self.size, batch):
            index = np.arange(start, min(start + batch, self.size), dtype=np.int64)
            codes = np.empty((len(index), len(self.allowed)), dtype=self.space.dtype, order="F")
            for column in range(len(self.allowed) - 1, -1, -1):
                index, place = np.divmod(index, len(self.allowed[column]))
                codes[:, column] = self.allowed[column][place]
            yield codes
