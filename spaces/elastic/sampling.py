"""Samples of smaller networks of all sizes."""

from __future__ import annotations

import numpy as np

from spaces.choice_space import Codes
from spaces.elastic.choices import Removal
from spaces.elastic.space import ElasticSpace

# Deviation of a choice from the size of its network, as a fraction of the candidates.
_SPREAD = 0.25
# Greatest probability that a block of the smallest networks is left out.
_MOST_REMOVED = 0.4


def sample_sizes(space: ElasticSpace, rng: np.random.Generator, count: int) -> Codes:
    """Sample distinct networks of all sizes.

    Independent uniform choices would all give networks of about the same size. Here each network
    first has a size, around which its choices vary.

    Args:
        space: Space of the networks.
        rng: Source of all randomness.
        count: Number of networks; a small space may have fewer.

    Returns:
        Canonical codes [at most count, choices].

    Example:
        >>> import torch
        >>> from spaces.elastic import from_network
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Linear(64, 2))
        >>> space = from_network(network, torch.zeros(1, 4))
        >>> sample_sizes(space, np.random.default_rng(0), 3).shape
        (3, 1)
    """
    removable = np.array([isinstance(choice, Removal) for choice in space.elastic_choices])
    rows: dict[bytes, Codes] = {}
    # A small space may have fewer architectures than are requested.
    for _ in range(20):
        # One size for all choices of a network, around which each one varies.
        sizes = rng.random((2 * count, 1))
        varied = np.clip(sizes + _SPREAD * rng.standard_normal((len(sizes), len(removable))), 0, 1)
        codes = np.rint(varied * (space.candidates - 1)).astype(space.dtype)
        removed = rng.random(varied.shape) < _MOST_REMOVED * sizes
        codes = space.canonical(np.where(removable, removed, codes).astype(space.dtype))
        for row in codes:
            rows.setdefault(row.tobytes(), row)

        if len(rows) >= count:
            break

    return np.asfortranarray(np.array(list(rows.values())[:count], dtype=space.dtype))
