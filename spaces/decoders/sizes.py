"""The sizes of decoders: those that a space has, and those of one architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spaces.choice import Choice
from spaces.choice_space import Codes
from spaces.errors import InvalidParameter

CONTEXT, DEPTH, WIDTH, LAYERS = range(4)
"""Columns of the codes; from LAYERS on there are the heads and the ratio of each layer."""


class Shape(NamedTuple):
    """The sizes of one architecture.

    Args:
        context: Greatest number of tokens that it attends to.
        width: Number of features of a token.
        layers: Heads and inner ratio of each layer.
    """

    context: int
    width: int
    layers: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Sizes:
    """The sizes among which decoders choose, and those that all of them have.

    Args:
        contexts: Greatest numbers of tokens that a network attends to.
        depths: Numbers of layers.
        widths: Numbers of features of a token.
        heads: Numbers of attention heads of a layer.
        ratios: Ratios of a layer's inner channels to the width.
        head_size: Number of features of each head.
        dropout: Probability of dropout in training.
    """

    contexts: tuple[int, ...]
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    heads: tuple[int, ...]
    ratios: tuple[int, ...]
    head_size: int
    dropout: float

    def check(self, name: str) -> None:
        """Raise InvalidParameter, naming the space and the size, for sizes that do not increase."""
        for field in ("contexts", "depths", "widths", "heads", "ratios"):
            values = getattr(self, field)
            if not values or list(values) != sorted(set(values)):
                raise InvalidParameter(
                    f"{name}: {field} needs sizes that increase, at least one, not {values}"
                )
        if self.head_size % 2:
            raise InvalidParameter(
                f"{name}: head_size must be even, since pairs of features are rotated, not"
                f" {self.head_size}"
            )
        if self.dropout >= 1:
            raise InvalidParameter(f"{name}: dropout must be below 1, not {self.dropout}")

    def choices(self) -> list[Choice]:
        """Return the choices: context, depth and width, then heads and ratio of each layer."""
        choices = [
            _choice("context", self.contexts),
            _choice("depth", self.depths),
            _choice("width", self.widths),
        ]
        for layer in range(1, max(self.depths) + 1):
            choices += [_choice(f"heads_{layer}", self.heads)]
            choices += [_choice(f"ratio_{layer}", self.ratios)]
        return choices

    def shape_of(self, codes: NDArray[Any]) -> Shape:
        """Return the sizes of checked codes [choices]."""
        depth = self.depths[codes[DEPTH]]
        layers = codes[LAYERS : LAYERS + 2 * depth].reshape(depth, 2)
        return Shape(
            self.contexts[codes[CONTEXT]],
            self.widths[codes[WIDTH]],
            tuple((self.heads[heads], self.ratios[ratio]) for heads, ratio in layers),
        )

    def depths_of(self, codes: Codes) -> NDArray[np.int64]:
        """Return the numbers of layers [n] of codes [n, choices]."""
        return np.array(self.depths, dtype=np.int64)[codes[:, DEPTH]]

    def cached_numbers(self, codes: Codes, tokens: int | None) -> NDArray[np.int64]:
        """Return how many numbers the keys and values of one text are, int64 array [n].

        Args:
            codes: Codes [n, choices].
            tokens: Number of tokens of the text, of which a network caches no more than its
                context. None: each network's context.
        """
        lengths = np.array(self.contexts, dtype=np.int64)[codes[:, CONTEXT]]
        if tokens is not None:
            lengths = np.minimum(lengths, tokens)
        heads = np.array(self.heads, dtype=np.int64)[codes[:, LAYERS::2]]
        present = np.arange(max(self.depths)) < self.depths_of(codes)[:, None]

        # A key and a value of each head.
        result: NDArray[np.int64] = 2 * self.head_size * lengths * (heads * present).sum(1)
        return result


def _choice(key: str, sizes: Sequence[int]) -> Choice:
    # Not `Values`: those with a number in common are on one scale, which width and context are not.
    return Choice(key, tuple(map(str, sizes)))
