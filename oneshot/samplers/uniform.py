"""Uniform sampling of single paths (SPOS, arXiv 1904.00420, section 3.2)."""

from __future__ import annotations

import numpy as np

from oneshot.samplers.base import BLOCK, SinglePath
from spaces.space import Codes, SearchSpace


class Uniform(SinglePath):
    """Samples one path per update, with every choice uniform.

    Args:
        space: Space of the supernet.
        seed: Seed of the training.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> Uniform(space, seed=0).paths(step=3).shape == (1, len(space.choices))
        True
    """

    def __init__(self, space: SearchSpace, seed: int):
        super().__init__(seed)
        self.space = space

    def draw(self, rng: np.random.Generator) -> Codes:
        """Return the codes [BLOCK, choices] of consecutive updates."""
        return self.space.sample(rng, BLOCK)
