"""Strict fairness: every candidate of every choice is trained in every update (FairNAS, arXiv
1907.01845).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from spaces.space import Codes, SearchSpace


class Fair:
    """As many paths an update as the largest choice has candidates, each choice a permutation of
    its own.

    A choice with fewer candidates takes permutations one after the other, so that none of its
    candidates is trained more than once more often than another.

    Args:
        space: the supernet's.
        seed: of the training.

    Raises:
        InvalidOption: not all combinations of the space's candidates are networks of their own.
    """

    def __init__(self, space: SearchSpace, seed: int):
        if space.irregular:
            raise InvalidOption(
                f"the sampler fair needs choices that are free of each other; those of {space.name}"
                " depend"
            )
        self.space, self.seed = space, seed

    def paths(self, step: int) -> Codes:
        """Codes [most candidates of a choice, choices]."""
        return np.asfortranarray(
            fair_paths(self.space.candidates.tolist(), self.seed, step), dtype=self.space.dtype
        )


def fair_paths(candidates: Sequence[int], seed: int, step: int) -> NDArray[np.int64]:
    """The paths of an update, int array [most candidates of a choice, choices].

    Args:
        candidates: how many each choice has.
        seed: of the training.
        step: the update's number.
    """
    rng = np.random.default_rng([seed, step])
    most = max(candidates, default=1)
    columns = [
        np.concatenate([rng.permutation(count) for _ in range(-(-most // count))])[:most]
        for count in candidates
    ]
    return np.stack(columns, axis=1)
