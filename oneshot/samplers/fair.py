"""Strict fairness: every update trains every candidate (FairNAS, arXiv 1907.01845)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from spaces.space import Codes, SearchSpace


class Fair:
    """Samples as many paths per update as the largest choice has candidates.

    Each choice runs through a random permutation of its candidates. A choice with fewer candidates
    has several permutations in a row, so that the counts of its candidates differ by one at most.

    Args:
        space: Space of the supernet.
        seed: Seed of the training.

    Raises:
        InvalidOption: Choices of the space depend on each other.

    Example:
        >>> import spaces
        >>> codes = Fair(spaces.get("spos-tiny"), seed=0).paths(step=0)
        >>> sorted(codes[:, 0].tolist())
        [0, 1, 2, 3]
    """

    def __init__(self, space: SearchSpace, seed: int):
        if space.irregular:
            raise InvalidOption(
                f"the sampler fair needs choices that are free of each other; those of {space.name}"
                " depend"
            )
        self.space = space
        self.seed = seed

    def paths(self, step: int) -> Codes:
        """Return the codes [most candidates of a choice, choices] of update `step`."""
        return np.asfortranarray(
            fair_paths(self.space.candidates.tolist(), self.seed, step), dtype=self.space.dtype
        )


def fair_paths(candidates: Sequence[int], seed: int, step: int) -> NDArray[np.int64]:
    """Return the paths of an update, int array [most candidates of a choice, choices].

    Args:
        candidates: Number of candidates of each choice.
        seed: Seed of the training.
        step: Number of the update.
    """
    rng = np.random.default_rng([seed, step])
    most = max(candidates, default=1)
    columns = [
        np.concatenate([rng.permutation(count) for _ in range(-(-most // count))])[:most]
        for count in candidates
    ]
    return np.stack(columns, axis=1)
