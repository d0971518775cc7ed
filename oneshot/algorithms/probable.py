"""Random architectures by the probabilities that a search has arrived at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneshot.algorithms.results import PROBABILITIES
from oneshot.errors import InvalidRun
from spaces.errors import InvalidFile
from spaces.files import read_text
from spaces.space import Codes, SearchSpace

# A bound, since fewer architectures may be probable than are requested.
_ROUNDS = 200


def read_probabilities(folder: Path) -> dict[str, dict[str, float]]:
    """Return the probabilities that a search wrote to its folder: choice -> candidate -> number.

    Raises:
        InvalidRun: The folder has none, or they are no numbers from 0 to 1.
    """
    path = folder / PROBABILITIES
    try:
        value = json.loads(read_text(path))
        return {
            str(key): {str(name): _probability(number) for name, number in row.items()}
            for key, row in value.items()
        }
    except (InvalidFile, ValueError, TypeError, AttributeError) as error:
        raise InvalidRun(
            f"{path} is no file of probabilities, which searches by darts, snas, enas and others"
            f" write: {error}"
        ) from error


def _probability(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r:.60} is no number from 0 to 1")
    return float(value)


def thresholded(
    space: SearchSpace, probabilities: Mapping[str, Mapping[str, float]], threshold: float
) -> list[NDArray[np.float64]]:
    """Return the distribution of each choice without its improbable candidates, [candidates].

    The most probable candidate always remains.

    Args:
        space: Space with the choices.
        probabilities: Choice -> candidate -> probability.
        threshold: Least probability of a candidate that remains.

    Raises:
        InvalidRun: A choice or a candidate has no probability.

    Example:
        >>> import spaces
        >>> space = spaces.ChoiceSpace("one", [spaces.Choice("layer", ("a", "b", "c"))])
        >>> thresholded(space, {"layer": {"a": 0.6, "b": 0.3, "c": 0.1}}, 0.2)[0].round(3).tolist()
        [0.667, 0.333, 0.0]
    """
    distributions = []
    for choice in space.choices:
        row = probabilities.get(choice.key, {})
        missing = [name for name in choice.candidates if name not in row]
        if missing:
            raise InvalidRun(
                f"the choice {choice.key!r} of {space.name} has no probability of {missing[0]!r}"
            )
        values = np.array([row[name] for name in choice.candidates])
        kept = np.where(values >= min(threshold, values.max()), values, 0.0)
        # Of probabilities that are all 0 no candidate is better than another.
        weights = kept if kept.sum() else np.ones(len(kept))
        distributions.append(weights / weights.sum())
    return distributions


def probable_sample(
    space: SearchSpace,
    probabilities: Mapping[str, Mapping[str, float]],
    rng: np.random.Generator,
    n: int,
    threshold: float = 0.0,
) -> Codes:
    """Return different random architectures by the probabilities of their candidates.

    Choices are independent. There are fewer than `n` where the candidates that remain make fewer,
    or others are too improbable.

    Args:
        space: Space of the architectures.
        probabilities: Choice -> candidate -> probability.
        rng: Source of all randomness.
        n: Most architectures.
        threshold: Candidates of a smaller probability are left out; see `thresholded`.

    Returns:
        Codes [at most n, choices], in the order in which they were drawn.
    """
    distributions = thresholded(space, probabilities, threshold)
    drawn: dict[tuple[int, ...], None] = {}
    for _ in range(_ROUNDS):
        columns = [rng.choice(len(row), size=n, p=row) for row in distributions]
        codes = np.asfortranarray(np.stack(columns, axis=1), dtype=space.dtype)
        if space.validates_codes:
            codes = space.canonical(np.asfortranarray(codes[space.valid(codes)]))
        drawn |= dict.fromkeys(map(tuple, codes.tolist()))
        if len(drawn) >= n:
            break
    return space.check(np.array(list(drawn)[:n]).reshape(-1, len(space.choices)).astype(int))
