"""Architectures as sequences of choices, for encoders that do not use graphs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spaces.space import Codes, SearchSpace


def vocabulary(space: SearchSpace) -> list[str]:
    """Return the distinct candidates of all choices, in the order of their first occurrence."""
    return list(dict.fromkeys(name for choice in space.choices for name in choice.candidates))


def tokens(space: SearchSpace, codes: Codes) -> Tensor:
    """Convert architectures to indices of the vocabulary.

    Args:
        space: Space of the architectures.
        codes: Their codes, int array [n, choices].

    Returns:
        The token of each choice's candidate, int64 tensor [n, choices].
    """
    token_of = {name: token for token, name in enumerate(vocabulary(space))}
    sequences = np.empty(codes.shape, dtype=np.int64)
    for column, choice in enumerate(space.choices):
        choice_tokens = np.array([token_of[name] for name in choice.candidates])
        sequences[:, column] = choice_tokens[codes[:, column]]
    return torch.from_numpy(sequences)
