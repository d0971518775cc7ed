"""Which networks a build measures: every candidate in every round, and every block at least a few
times.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from spaces.space import Codes, SearchSpace


def latin_networks(space: SearchSpace, rng: np.random.Generator) -> Codes:
    """Codes [n, choices] of as many networks as the widest choice has candidates, at most 64.

    Each candidate of each choice occurs in them, as equally often as the counts allow: a Latin
    arrangement. Where that gives no architecture (an irregular space), one is sampled in its place.
    """
    count = min(int(space.candidates.max()), 64)
    codes = np.empty((count, len(space.choices)), dtype=space.dtype, order="F")
    for column, candidates in enumerate(space.candidates):
        codes[:, column] = rng.permutation(np.resize(rng.permutation(candidates), count))
    if space.irregular:
        wrong = np.flatnonzero(~space.valid(codes))
        codes[wrong] = space.sample(rng, len(wrong))
        codes = space.canonical(codes)
    return codes


def covering_networks(
    space: SearchSpace, missing: Collection[str], rng: np.random.Generator, drawn: int = 4096
) -> Codes:
    """Codes [n, choices] of few networks that hold the blocks `missing`, or as many of them as
    sampled networks have.

    Args:
        space: whose networks.
        missing: block keys.
        rng: of the networks to choose from.
        drawn: how many.
    """
    codes = space.sample(rng, drawn)
    keys, counts = space.block_counts(codes)
    wanted = np.isin(keys, list(missing))
    open_, there = wanted.copy(), counts > 0
    chosen: list[int] = []
    while open_.any():
        gains = there[:, open_].sum(1)
        best = int(gains.argmax())
        if not gains[best]:
            break
        chosen.append(best)
        open_ &= ~there[best]
    return codes[chosen]
