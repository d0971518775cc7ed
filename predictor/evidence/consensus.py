"""Columns of evidence that vote where no label weighs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from predictor.metrics import spearman

Array = NDArray[np.float64]

# Fewer columns cannot tell which of them misleads.
_FEWEST_TO_JUDGE = 3


@dataclass(frozen=True)
class Consensus:
    """One vote for each column, but for those that contradict all others.

    Agreement does not weigh the columns: those that measure size agree most with each other, and
    are not the best ones. It only tells apart what ranks against the rest, such as a supernet that
    was trained too little.

    Args:
        votes: Weight of each column, [columns]; equal ones or 0, with the sum 1.

    Example:
        >>> import numpy as np
        >>> first = np.linspace(0, 1, 20)
        >>> features = np.stack([first, first**2, -first], axis=1)
        >>> Consensus.from_features(features).votes.tolist()
        [0.5, 0.5, 0.0]
    """

    votes: Array

    @classmethod
    def from_features(cls, features: Array) -> Self:
        """Withdraw votes, the worst first, until every column agrees with the others' mean.

        Args:
            features: Columns of random architectures, [n, columns].
        """
        voting = list(range(features.shape[1]))
        while len(voting) >= _FEWEST_TO_JUDGE:
            agreements = [_agreement(features, column, voting) for column in voting]
            worst = int(np.argmin(agreements))
            if agreements[worst] >= 0:
                break
            voting.pop(worst)

        votes = np.zeros(features.shape[1])
        votes[voting] = 1 / len(voting)
        return cls(votes)

    def agreements(self, features: Array) -> Array:
        """Return the rank correlation of each column with the mean of the other voting ones.

        Args:
            features: Columns of random architectures, [n, columns].

        Returns:
            Correlations [columns]; 0 where a column is constant, or the only one with a vote.
        """
        voting = np.flatnonzero(self.votes).tolist()
        columns = range(features.shape[1])
        return np.array([_agreement(features, column, voting) for column in columns])

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Return the voting columns' mean [n] and the variance [n] among them.

        Args:
            features: Columns of the architectures, [n, columns].
        """
        mean = features @ self.votes
        return mean, (features - mean[:, None]) ** 2 @ self.votes


def _agreement(features: Array, column: int, voting: list[int]) -> float:
    """Return the rank correlation of a column with the mean of the other voting ones."""
    others = [other for other in voting if other != column]
    if not others:
        return 0.0
    correlation = spearman(features[:, column], features[:, others].mean(1))
    # A constant column, whose correlation is not defined, contradicts nothing.
    return 0.0 if np.isnan(correlation) else correlation
