"""Architectures as sequences of choices, for encoders that see no graph."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spaces.space import Codes, SearchSpace


def vocabulary(space: SearchSpace) -> list[str]:
    """The distinct candidates of all choices, in the order in which they first stand; a token
    indexes them.
    """
    return list(dict.fromkeys(name for choice in space.choices for name in choice.candidates))


def tokens(space: SearchSpace, codes: Codes) -> Tensor:
    """The candidates taken by `codes`, int array [n, choices], as tokens: int64 tensor [n,
    choices].
    """
    number = {name: index for index, name in enumerate(vocabulary(space))}
    found = np.empty(codes.shape, dtype=np.int64)
    for column, choice in enumerate(space.choices):
        found[:, column] = np.array([number[name] for name in choice.candidates])[codes[:, column]]
    return torch.from_numpy(found)
