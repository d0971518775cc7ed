"""Counted costs of architectures as features: of the whole network, and by kinds of operations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes, SearchSpace


def costs(space: SearchSpace, codes: Codes, by_kind: bool = False) -> NDArray[np.float64]:
    """Count multiply-accumulates and parameters, as logarithms.

    In a cell such as those of NAS-Bench-101 the output's channels are shared among the vertices
    before it, so that an operation is as wide as the wiring leaves it. What the convolutions of
    each kernel cost says how wide they are; graphs show their number alone.

    Args:
        space: Space of the architectures.
        codes: Codes of the architectures, checked, int array [n, choices].
        by_kind: Whether the costs of each kind of operation are columns as well, where its width
            depends on the wiring (`SearchSpace.widths_follow_wiring`).

    Returns:
        Float array [n, 2], or [n, 2 + 2 kinds]: multiply-accumulates and parameters of the network,
        then the multiply-accumulates and then the parameters of all kinds.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from predictor.features.costs import costs
        >>> space = spaces.get("nasbench101")
        >>> codes = space.sample(np.random.default_rng(0), 4)
        >>> costs(space, codes).shape, costs(space, codes, by_kind=True).shape
        ((4, 2), (4, 12))
    """
    if not (by_kind and space.widths_follow_wiring):
        totals = np.stack([space.macs(codes), space.params(codes)], axis=1)
        return np.asarray(np.log1p(totals))

    keys, counts = space.block_counts(codes)
    blocks = [space.all_blocks[key] for key in keys]
    names = [(block.operator, block.kernel or 0) for block in blocks]
    kinds = sorted(set(names))

    # Counts are of blocks; the matrices [keys, kinds] sum what blocks of one kind cost.
    members = np.array([[name == kind for kind in kinds] for name in names])
    macs = counts @ (members * np.array([[block.macs] for block in blocks]))
    params = counts @ (members * np.array([[block.params] for block in blocks]))
    totals = np.stack([macs.sum(1), params.sum(1)], axis=1)
    return np.asarray(np.log1p(np.concatenate([totals, macs, params], axis=1)))
