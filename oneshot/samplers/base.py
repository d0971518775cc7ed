"""PathSampler: contract of the samplers of a supernet's paths."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np

from spaces.space import Codes

BLOCK = 256
"""Number of updates whose paths are sampled at once, since one path takes nearly as long."""


class PathSampler(Protocol):
    """Samples the paths of an update from the seed and the update's number alone.

    They are therefore the same in every process and after an interruption, without a state.

    Example:
        >>> import spaces
        >>> from oneshot.samplers import Uniform
        >>> sampler: PathSampler = Uniform(spaces.get("spos-tiny"), seed=0)
        >>> bool((sampler.paths(7) == sampler.paths(7)).all())
        True
    """

    def paths(self, step: int) -> Codes:
        """Return the codes [paths, choices] whose gradients update `step` sums up."""


class SinglePath(ABC):
    """Base of the samplers of one path per update.

    Args:
        seed: Seed of the training.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self._block: tuple[int, Codes] | None = None

    def paths(self, step: int) -> Codes:
        """Return the codes [1, choices] of update `step`."""
        block, index = divmod(step, BLOCK)
        if self._block is None or self._block[0] != block:
            self._block = block, self.draw(np.random.default_rng([self.seed, block]))
        return self._block[1][index : index + 1]

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Codes:
        """Return the codes [BLOCK, choices] of consecutive updates."""


def paths_digest(codes: Codes) -> int:
    """Return 62 bits of the SHA-256 of paths, codes [n, choices].

    Processes compare it to check that they run the same paths.
    """
    data = np.ascontiguousarray(codes, dtype=np.int64).tobytes()
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") >> 2
