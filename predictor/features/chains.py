"""Features of the layers of chains: their neighbourhoods and their costs."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.space import Codes, SearchSpace


def layers(space: SearchSpace, codes: Codes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the features of each layer, and their sums up to each layer.

    A layer has two features: the number of its blocks with kernels beyond 1, and its
    multiply-accumulates, each as a fraction of the greatest among its candidates. The sums locate
    the work in the network: exchanging two neighbouring layers changes one of them, adding a block
    changes all from its layer on.

    Args:
        space: Chain of the architectures.
        codes: Codes of the architectures, int array [n, layers].

    Returns:
        Two float arrays, [n, 2 layers].
    """
    features = np.zeros((len(codes), len(space.choice_layers), 2), dtype=np.float32)
    for index, table in enumerate(_layer_tables(space)):
        features[:, index] = table[codes[:, index]]

    shape = (len(codes), 2 * len(space.choice_layers))
    return features.reshape(shape), features.cumsum(1).reshape(shape)


# Cached: a search computes the features of many small batches of one space.
@functools.lru_cache(maxsize=16)
def _layer_tables(space: SearchSpace) -> list[NDArray[np.float64]]:
    """Return the features [candidates, 2] of each layer's candidates, as fractions."""
    tables = []
    for layer in space.choice_layers:
        candidates = [_block_features(blocks) for blocks in layer.candidates.values()]
        table = np.array(candidates, dtype=np.float64)
        greatest = table.max(0)
        # A feature that no candidate has stays 0.
        tables.append(table / np.where(greatest > 0, greatest, 1.0))

    return tables


def _block_features(blocks: tuple[Block, ...]) -> tuple[int, int]:
    """Return the number of blocks with kernels beyond 1, and all blocks' multiply-accumulates."""
    num_spatial = sum((block.kernel or 1) > 1 for block in blocks)
    return num_spatial, sum(block.macs for block in blocks)
