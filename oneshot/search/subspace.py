"""Subspace: a space of which some candidates are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spaces.choice import Choice
from spaces.choice_space import ChoiceSpace, Codes


class Subspace(ChoiceSpace):
    """The architectures of a space that use some of its candidates only.

    Its codes are those of the space, so that everything that accepts these accepts its samples.

    Args:
        space: Regular space, in which every combination of candidates is an architecture.
        allowed: For each choice the codes that remain, int array [at least 1].
    """

    def __init__(self, space: ChoiceSpace, allowed: Sequence[NDArray[np.integer]]):
        # In an irregular space the remaining candidates may form no valid architecture at all.
        assert not space.irregular, "an irregular space cannot be restricted"
        super().__init__(space.name, space.choices)
        self.allowed = [np.asarray(codes, dtype=space.dtype) for codes in allowed]
        self._remaining = ChoiceSpace(
            space.name,
            [
                Choice(choice.key, tuple(choice.candidates[code] for code in codes))
                for choice, codes in zip(space.choices, self.allowed, strict=True)
            ],
        )

    @property
    def size(self) -> int:
        """Number of architectures that remain."""
        return self._remaining.size

    def _draw(self, rng: np.random.Generator, n: int) -> Codes:
        return self._to_space(self._remaining.sample(rng, n))

    def enumerate_codes(self, batch: int = 1 << 16) -> Iterator[Codes]:
        """Yield all architectures as codes [at most batch, choices]; the last choice is fastest."""
        return map(self._to_space, self._remaining.enumerate_codes(batch))

    def _to_space(self, codes: Codes) -> Codes:
        """Translate indices [n, choices] into the allowed candidates to codes of the space."""
        translated = np.empty(codes.shape, dtype=self.dtype, order="F")
        for column, allowed in enumerate(self.allowed):
            translated[:, column] = allowed[codes[:, column]]
        return translated
