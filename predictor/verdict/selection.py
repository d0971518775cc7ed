"""The networks that scores prefer, where equal scores have no order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Selection:
    """The best networks by a score.

    Where the last of them ties with networks that are not selected, any of the tied networks may
    be: every subset of them is equally likely.

    Args:
        certain: Rows of the networks that are selected in every order of equal scores.
        tied: Rows of the networks of which some are selected, empty where the order is certain.
        num_from_tied: Number of networks that are selected from `tied`.
    """

    certain: NDArray[np.int64]
    tied: NDArray[np.int64]
    num_from_tied: int

    @classmethod
    def from_scores(cls, scores: NDArray[np.float64], count: int) -> Selection:
        """Select the best networks.

        Args:
            scores: Scores, [n]; greater is better.
            count: Number of networks to select, from 1 to n.
        """
        boundary = np.partition(scores, len(scores) - count)[len(scores) - count]
        certain = np.flatnonzero(scores > boundary)
        tied = np.flatnonzero(scores == boundary)
        num_from_tied = count - len(certain)
        if num_from_tied == len(tied):
            return cls(np.concatenate([certain, tied]), tied[:0], 0)
        return cls(certain, tied, num_from_tied)

    @property
    def tied_probability(self) -> float:
        """The probability that a network of `tied` is selected."""
        return self.num_from_tied / len(self.tied) if len(self.tied) else 0.0

    def probabilities(self, count: int) -> NDArray[np.float64]:
        """Return the probability that each of `count` networks is selected, [count]."""
        probabilities = np.zeros(count)
        probabilities[self.certain] = 1.0
        probabilities[self.tied] = self.tied_probability
        return probabilities
