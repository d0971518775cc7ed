"""Sums of the parts of a chain's blocks, shared between its choices and their candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.space import Codes, SearchSpace

_MIN_DEVIATION = 1e-9


def part_sums(space: SearchSpace, codes: Codes) -> NDArray[np.float32]:
    """Sum kernels, expansions, groups and the like over the layers of each architecture.

    A candidate such as `k5e6g2` is one code among many to a kernel over choices. Its parts say that
    it is slow for the same reasons as `k5e3g2` in another layer, which few measurements teach:
    devices differ in what large kernels, groups or squeeze-and-excitation cost.

    Args:
        space: Chain of the architectures.
        codes: Codes of the architectures, int array [n, layers].

    Returns:
        Float array [n, parts], of the parts in which candidates differ; each part is standardised
        over the candidates of all layers before it is summed.
    """
    tables = [
        np.array([_parts(blocks) for blocks in layer.candidates.values()], dtype=np.float64)
        for layer in space.choice_layers
    ]
    candidates = np.concatenate(tables)
    deviation = candidates.std(0)
    varied = deviation > _MIN_DEVIATION

    sums = np.zeros((len(codes), int(varied.sum())))
    for index, table in enumerate(tables):
        standardised = (table - candidates.mean(0))[:, varied] / deviation[varied]
        sums += standardised[codes[:, index]]
    return sums.astype(np.float32)


def _parts(blocks: Sequence[Block]) -> list[float]:
    """Return the parts of a candidate: of its blocks with kernels beyond 1, and its parameters."""
    spatial = [block for block in blocks if (block.kernel or 1) > 1]
    return [
        len(spatial),
        sum(block.kernel or 1 for block in spatial),
        max((block.kernel or 1 for block in spatial), default=0),
        sum(block.expansion or 0 for block in spatial),
        sum(block.hidden or 0 for block in spatial),
        sum(block.groups or 1 for block in spatial),
        sum(block.dilation or 1 for block in spatial),
        sum(block.se for block in spatial),
        float(np.log1p(sum(block.params for block in blocks))),
    ]
