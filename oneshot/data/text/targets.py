"""SpelledTokens: the tokens to predict, with the number of characters that each one has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class SpelledTokens:
    """The tokens to predict, with the number of characters that each one stands for.

    Of words these are the letters and the white space after them, so that losses of words and of
    characters compare as bits per character.

    Args:
        tokens: Indices of the tokens, int64 [b, length].
        characters: Number of characters of each token, int64 [b, length].

    Example:
        >>> targets = SpelledTokens(torch.tensor([[2, 0]]), torch.tensor([[3, 6]]))
        >>> len(targets), targets[:1].characters.tolist()
        (1, [[3, 6]])
    """

    tokens: Tensor
    characters: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: slice | Tensor) -> SpelledTokens:
        return SpelledTokens(self.tokens[index], self.characters[index])

    def to(self, device: Any, *, non_blocking: bool = False) -> SpelledTokens:
        """Return the tokens on a device."""
        return SpelledTokens(
            self.tokens.to(device, non_blocking=non_blocking),
            self.characters.to(device, non_blocking=non_blocking),
        )


def spelled(targets: Any) -> SpelledTokens:
    """Return targets with numbers of characters; indices alone count one character each."""
    if isinstance(targets, Tensor):
        return SpelledTokens(targets, torch.ones_like(targets))
    return SpelledTokens(targets.tokens, targets.characters)
