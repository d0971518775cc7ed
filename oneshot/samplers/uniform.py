"""Uniform sampling of single paths (SPOS, arXiv 1904.00420, section 3.2)."""

from __future__ import annotations

import numpy as np

from oneshot.samplers.base import BLOCK, SinglePath
from spaces.space import Codes, SearchSpace


class Uniform(SinglePath):
    """One path an update, every choice uniform.

    Args:
        space: the supernet's.
        seed: of the training.
    """

    def __init__(self, space: SearchSpace, seed: int):
        super().__init__(seed)
        self.space = space

    def draw(self, rng: np.random.Generator) -> Codes:
        """Codes [BLOCK, choices]."""
        return self.space.sample(rng, BLOCK)
