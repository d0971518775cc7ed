"""Networks that a build measures, so that every candidate and every block is measured."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from spaces.space import Codes, SearchSpace


def latin_networks(space: SearchSpace, rng: np.random.Generator) -> Codes:
    """Return networks in which all candidates of each choice occur equally often.

    They are a Latin arrangement of as many networks as the widest choice has candidates, at most
    64. Where that gives no architecture (in an irregular space), one is sampled in its stead.

    Args:
        space: Space of the networks.
        rng: Random generator.

    Returns:
        Codes [n, choices].
    """
    count = min(int(space.candidates.max()), 64)
    codes = np.empty((count, len(space.choices)), dtype=space.dtype, order="F")
    for column, candidates in enumerate(space.candidates):
        # Permuted before it is repeated, so that the candidates that occur once more vary.
        codes[:, column] = rng.permutation(np.resize(rng.permutation(candidates), count))

    if space.validates_codes:
        invalid = np.flatnonzero(~space.valid(codes))
        codes[invalid] = space.sample(rng, len(invalid))
        codes = space.canonical(codes)

    return codes


def covering_networks(
    space: SearchSpace, missing: Collection[str], rng: np.random.Generator, num_sampled: int = 4096
) -> Codes:
    """Return few networks that have the missing blocks, or as many of them as sampled ones have.

    Args:
        space: Space of the networks.
        missing: Keys of the missing blocks.
        rng: Random generator.
        num_sampled: Number of sampled networks to select from.

    Returns:
        Codes [n, choices].
    """
    codes = space.sample(rng, num_sampled)
    keys, counts = space.block_counts(codes)
    uncovered = np.isin(keys, list(missing))
    occurs = counts > 0

    # Greedy set cover: each network is the one with the most uncovered blocks.
    selected: list[int] = []
    while uncovered.any():
        gains = occurs[:, uncovered].sum(1)
        best = int(gains.argmax())
        if not gains[best]:
            break
        selected.append(best)
        uncovered &= ~occurs[best]

    return codes[selected]
