"""Text of a second-order Markov source, whose entropy is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SYMBOLS = "abcdefgh"


@dataclass(frozen=True)
class MarkovSource:
    """A source that draws each symbol by probabilities which depend on the two symbols before.

    Args:
        transitions: Probabilities of the next symbol after each pair, float64 [k, k, k].

    Example:
        >>> source = MarkovSource.from_seed(0)
        >>> source.perplexity < len(SYMBOLS)
        True
    """

    transitions: NDArray[np.float64]

    @classmethod
    def from_seed(cls, seed: int, symbols: int = len(SYMBOLS)) -> MarkovSource:
        """Return a source whose probabilities are drawn from Dirichlet distributions.

        Args:
            seed: Seed of the probabilities.
            symbols: Number of symbols.
        """
        rng = np.random.default_rng([seed, 0])
        # Below 1, so that a few symbols follow most pairs; that is worth learning.
        return cls(rng.dirichlet(np.full(symbols, 0.5), (symbols, symbols)))

    @cached_property
    def stationary(self) -> NDArray[np.float64]:
        """Long-run probability of each pair of neighbouring symbols, float64 [k, k]."""
        count = self.transitions.shape[0]
        pairs = np.full((count, count), 1 / count**2)
        for _ in range(10_000):
            # p'(b, c) = sum over a of p(a, b) t(c | a, b)
            following = np.einsum("ab,abc->bc", pairs, self.transitions)
            if np.abs(following - pairs).max() < 1e-15:
                break
            pairs = following
        return pairs

    @property
    def entropy(self) -> float:
        """Entropy of the next symbol given all before, in nats."""
        # 0 log 0 is 0.
        logs = np.log(np.maximum(self.transitions, 1e-300))
        entropies = -(self.transitions * logs).sum(-1)
        return float((self.stationary * entropies).sum())

    @property
    def perplexity(self) -> float:
        """Least perplexity that a model of the source can have."""
        return math.exp(self.entropy)

    def generate(self, count: int, seed: int) -> NDArray[np.int64]:
        """Return a text of the source.

        Args:
            count: Number of symbols.
            seed: Seed of the text.

        Returns:
            Indices of the symbols, int64 [count].
        """
        rng = np.random.default_rng([seed, 1])
        bounds = self.transitions.cumsum(-1)
        first, second = np.unravel_index(
            rng.choice(self.stationary.size, p=self.stationary.ravel()), self.stationary.shape
        )
        symbols = [int(first), int(second)]
        last = self.transitions.shape[0] - 1
        for uniform in rng.random(max(0, count - 2)):
            row = bounds[symbols[-2], symbols[-1]]
            # Rounding may leave the last bound below 1.
            symbols.append(min(int(np.searchsorted(row, uniform, side="right")), last))
        return np.array(symbols[:count], dtype=np.int64)

    def losses(self, symbols: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the source's own loss of each symbol but the first two, in nats, float64 [n - 2].

        Args:
            symbols: Indices of a text's symbols, int64 [n].
        """
        chosen = self.transitions[symbols[:-2], symbols[1:-1], symbols[2:]]
        losses: NDArray[np.float64] = -np.log(np.maximum(chosen, 1e-300))
        return losses
