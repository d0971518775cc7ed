"""Classes of architectures that are known to compute the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spaces.choice_space import ChoiceSpace, Codes


def classes(space: ChoiceSpace, codes: Codes) -> NDArray[np.int64]:
    """Number the isomorphism classes; two members compute the same but for the order of sums.

    NAS-Bench-201: zeros propagated completely (5390 classes). NAS-Bench-101: the benchmark's graph
    hash. Chains: a candidate without blocks, such as the identity of NAS-Bench-Macro, skips its
    layer, so that only the order of the other layers counts (3969 classes). Every architecture of
    any other space is its own class, unless its `isomorphism_keys` know better.

    Args:
        space: Space of the architectures.
        codes: Checked codes, int array [n, choices].

    Returns:
        Int array [n]; equal numbers mean equal networks, and nothing else.
    """
    _, index = np.unique(space.isomorphism_keys(codes), axis=0, return_inverse=True)
    numbers: NDArray[np.int64] = index.reshape(-1).astype(np.int64)
    return numbers


def first_of_each(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the first architecture of each class, ascending: int array [classes]."""
    _, first = np.unique(numbers, return_index=True)
    indices: NDArray[np.int64] = np.sort(first)
    return indices
