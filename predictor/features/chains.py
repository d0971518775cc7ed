"""What the blocks of chains do, layer by layer and up to each layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.space import Codes, SearchSpace


def layers(space: SearchSpace, codes: Codes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What each layer does, and what it and all before it do: two float arrays [n, 2 layers].

    Two numbers a layer: how many of its blocks look at neighbours (kernels beyond 1), and its
    multiply-accumulates, each as a share of the most among its candidates. The sums tell where in
    the network the work is done: exchanging two neighbouring layers alters one of them, adding a
    block alters all behind it.

    Args:
        space: of the architectures.
        codes: int array [n, layers].
    """
    found = np.zeros((len(codes), len(space.choice_layers), 2), dtype=np.float32)
    for index, layer in enumerate(space.choice_layers):
        terms = np.array([_does(blocks) for blocks in layer.candidates.values()], dtype=np.float64)
        most = terms.max(0)
        found[:, index] = (terms / np.where(most > 0, most, 1.0))[codes[:, index]]
    shape = len(codes), 2 * len(space.choice_layers)
    return found.reshape(shape), found.cumsum(1).reshape(shape)


def _does(blocks: tuple[Block, ...]) -> tuple[int, int]:
    return sum((block.kernel or 1) > 1 for block in blocks), sum(block.macs for block in blocks)
