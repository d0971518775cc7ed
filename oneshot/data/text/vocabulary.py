"""Vocabulary: the tokens of a text, numbered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "<unk>"
"""Token in place of those that the training part lacks."""

END = "<eos>"
"""Token at the end of each line of words."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a training part; a token's index is its position.

    Args:
        tokens: Tokens in the order of their indices; `<unk>` is one of them.

    Example:
        >>> vocabulary = Vocabulary.from_tokens(["to", "be", "or", "to"])
        >>> vocabulary.tokens
        ('<unk>', 'be', 'or', 'to')
        >>> vocabulary.encode(["to", "live"]).tolist()
        [3, 0]
    """

    tokens: tuple[str, ...]

    @classmethod
    def from_tokens(cls, tokens: Iterable[str]) -> Vocabulary:
        """Return the vocabulary of a sequence: `<unk>`, then the tokens in their sorted order."""
        # Sorted rather than by frequency: the order then needs no rule for ties.
        return cls((UNKNOWN, *sorted(set(tokens) - {UNKNOWN})))

    @cached_property
    def index(self) -> dict[str, int]:
        """Token -> index."""
        return {token: index for index, token in enumerate(self.tokens)}

    @property
    def level(self) -> str:
        """Level of the tokens: only `words` have a token at the end of lines."""
        return "words" if END in self.index else "characters"

    @cached_property
    def digest(self) -> str:
        """The hexadecimal SHA-256 of the tokens in their order."""
        total = hashlib.sha256()
        for token in self.tokens:
            text = token.encode("utf-8", "surrogatepass")
            # The length separates tokens, so that no two vocabularies have the same bytes.
            total.update(len(text).to_bytes(8, "little"))
            total.update(text)
        return total.hexdigest()

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Sequence[str]) -> NDArray[np.int64]:
        """Return the indices of tokens, int64 [n]; those that it lacks become `<unk>`."""
        unknown = self.index[UNKNOWN]
        return np.fromiter(
            (self.index.get(token, unknown) for token in tokens), np.int64, len(tokens)
        )
