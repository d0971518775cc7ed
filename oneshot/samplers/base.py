"""PathSampler: what an update of a supernet's training runs."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np

from spaces.space import Codes

BLOCK = 256
"""Updates whose paths are drawn at once, for drawing one takes nearly as long."""


class PathSampler(Protocol):
    """Draws the paths of an update from the seed and the update's number alone.

    So they are the same in every process, and after an interruption, without any state to keep.
    """

    def paths(self, step: int) -> Codes:
        """Codes [paths, choices] of the architectures whose gradients update `step` sums up."""


class SinglePath(ABC):
    """One path an update.

    Args:
        seed: of the training.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self._block: tuple[int, Codes] | None = None

    def paths(self, step: int) -> Codes:
        """Codes [1, choices]."""
        block, index = divmod(step, BLOCK)
        if self._block is None or self._block[0] != block:
            self._block = block, self.draw(np.random.default_rng([self.seed, block]))
        return self._block[1][index : index + 1]

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Codes:
        """Codes [BLOCK, choices] of consecutive updates."""


def paths_digest(codes: Codes) -> int:
    """62 bits of the SHA-256 of paths, codes [n, choices], by which processes see that they take
    the same.
    """
    data = np.ascontiguousarray(codes, dtype=np.int64).tobytes()
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") >> 2
