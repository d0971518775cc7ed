"""Training data of an ensemble: the values of its steps, and a fold for each member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.base import MIN_ARCHITECTURES
from predictor.errors import InvalidValues, TooFewArchitectures
from predictor.evaluated import network_numbers
from predictor.ranks import NormalScores
from spaces.space import Codes, SearchSpace


def num_steps(
    values: Sequence[float] | NDArray[np.floating[Any]], config: Mapping[str, Any]
) -> int | None:
    """Return the number of values that each architecture has.

    Args:
        values: Values of n architectures, [n] or [n, steps].
        config: Arguments of the encoder.

    Returns:
        Number of steps; None: each architecture has one value, without a dimension of its own.

    Raises:
        InvalidValues: The encoder does not have as many steps with values of their own.
    """
    if np.ndim(values) < 2:
        return None
    steps = int(np.shape(values)[1])
    if not config.get("anytime") or config.get("steps") != steps:
        raise InvalidValues(
            f"{steps} values of an architecture are learned by TA-GATES with anytime=True and"
            f" steps={steps} alone"
        )
    return steps


def folds_by_network(
    space: SearchSpace, codes: Codes, members: int, seed: int
) -> NDArray[np.int64]:
    """Choose the member that leaves out each architecture.

    Architectures that compute the same network have one fold: a member must not score an
    architecture whose isomorph it was trained on.

    Args:
        space: Space of the architectures.
        codes: Codes of the architectures, [n, choices].
        members: Number of members.
        seed: Seed of the folds.

    Returns:
        Number of a member for each architecture, [n].

    Raises:
        TooFewArchitectures: The architectures compute fewer than 10 networks.
    """
    networks = network_numbers(space, codes)
    num_networks = int(networks.max()) + 1
    if num_networks < MIN_ARCHITECTURES:
        raise TooFewArchitectures(
            f"an ensemble needs at least {MIN_ARCHITECTURES} networks; the {len(codes)}"
            f" architectures compute {num_networks}"
        )

    order = np.random.default_rng(seed).permutation(num_networks)
    fold: NDArray[np.int64] = order[networks] % members
    return fold


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal scores of values [n] or of each column of values [n, steps]."""
    if values.ndim == 1:
        return NormalScores.from_values(values).to_scores(values)
    return np.stack([normal_scores(column) for column in values.T], axis=1)
