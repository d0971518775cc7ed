"""Windows of a text: contiguous rows, read window by window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oneshot.data.augmentation import Augmentation
from oneshot.data.epoch_order import PositionedLoader
from oneshot.data.images import AS_IS
from oneshot.data.split import Batch, Indices
from oneshot.data.text.targets import SpelledTokens
from oneshot.errors import InvalidOption

_FULL = 0.95
"""Probability that a window's mean length is the whole rather than half of the length."""

_DEVIATION = 5.0
"""Standard deviation of a window's length."""

_SHORTEST = 5
"""Least length of a window before lengths are scaled to fill the rows."""

_LONGEST_EXCESS = 20
"""Tokens by which a window may be longer than the length before scaling."""

_WINDOWS_PER_ROW = 100
"""Least windows of a row in an evaluation, so that its empty initial state counts little."""


@dataclass(frozen=True)
class TextSplit:
    """A part of a text, of which each token is predicted from those before it.

    An example is a window of `length` tokens with the tokens that follow each of them. Batches of a
    training are the next windows of `batch_size` contiguous rows of the text, in its order, so that
    a state can be carried from each batch to the next. With an augmentation, the lengths of the
    windows are random (Merity et al., arXiv 1708.02182, section 5).

    Args:
        tokens: Indices of the tokens, int64 [n], n at least 2.
        length: Tokens of a window.
        characters: Number of characters of each token, int64 [n]; None: one each.
        augmentation: Augmentation of images, of which only the default, none, is possible here.

    Example:
        >>> split = TextSplit(torch.arange(13), 3)
        >>> for inputs, targets in split.epochs(2, seed=0):
        ...     print(inputs.tolist(), targets.tolist())
        [[0, 1, 2], [6, 7, 8]] [[1, 2, 3], [7, 8, 9]]
        [[3, 4, 5], [9, 10, 11]] [[4, 5, 6], [10, 11, 12]]
    """

    tokens: Tensor
    length: int
    characters: Tensor | None = None
    augmentation: Augmentation = AS_IS

    contiguous = True
    """Whether batches of an evaluation follow each other, so that no sample may be drawn."""

    @property
    def unreadable(self) -> dict[str, str]:
        """Always empty, because the text is in memory."""
        return {}

    @property
    def num_predicted(self) -> int:
        """Number of tokens that are predicted: all but the first one."""
        return len(self.tokens) - 1

    @cached_property
    def labels(self) -> Any:
        """Targets of all windows [n, length]."""
        return self.tensors()[1]

    def __len__(self) -> int:
        # A text of less than one window is one shorter window.
        return max(1, self.num_predicted // self.length)

    def epochs(
        self,
        batch_size: int,
        seed: int,
        *,
        augment: bool | Augmentation = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> TextLoader:
        """Return the batches of contiguous rows; see `Split.epochs`.

        Args:
            batch_size: Rows of this rank.
            seed: Seed of the lengths.
            augment: Whether the lengths of windows are random.
            rank: Index of this process.
            ranks: Number of processes, each of which has rows of its own.

        Raises:
            InvalidOption: The augmentation is one of images, or the text has too few tokens.
        """
        if isinstance(augment, Augmentation) and augment != AS_IS:
            raise InvalidOption("cutout, colour_jitter and mosaic are for images, not for a text")

        rows = batch_size * ranks
        self.check_rows(rows)
        order = WindowOrder(len(self) // rows, self.length, seed, bool(augment))
        return TextLoader(self, order, range(rank * batch_size, (rank + 1) * batch_size))

    def check_rows(self, rows: int) -> None:
        """Check that the text has a window for each row of a batch.

        Raises:
            InvalidOption: It has fewer tokens.
        """
        needed = rows * self.length + 1
        if len(self.tokens) < needed:
            raise InvalidOption(
                f"batch_size: {rows} rows of {self.length} tokens need {needed} tokens, the"
                f" training part has {len(self.tokens)}; lower batch_size, or the length of the"
                " space"
            )

    def batches(self, batch_size: int, indices: Indices | None = None) -> Iterator[Batch]:
        """Yield windows for an evaluation.

        Without indices each token is predicted once: batches are the next windows of contiguous
        rows. Later batches may have fewer rows, which are then the first ones, and shorter windows.
        Rows have at least 100 windows where the text allows, so that few tokens lack a context.

        Args:
            batch_size: Most rows of a batch.
            indices: Indices of windows that do not follow each other; None: the whole text.

        Raises:
            InvalidOption: The batch size is below 1.
        """
        if batch_size < 1:
            raise InvalidOption(f"batch_size must be at least 1, not {batch_size}")
        if indices is not None:
            order = np.asarray(indices, dtype=np.int64).reshape(-1)
            for start in range(0, len(order), batch_size):
                yield self.tensors(order[start : start + batch_size])
            return

        rows = max(1, min(batch_size, len(self) // _WINDOWS_PER_ROW))
        tokens_per_row, longer = divmod(self.num_predicted, rows)

        # The first rows have one token more, where the rows do not divide the text evenly.
        starts = np.arange(rows) * tokens_per_row + np.minimum(np.arange(rows), longer)
        for start in range(0, tokens_per_row, self.length):
            yield self.windows(starts + start, min(self.length, tokens_per_row - start))
        if longer:
            yield self.windows(starts[:longer] + tokens_per_row, 1)

    def tensors(self, indices: Indices | None = None) -> Batch:
        """Return windows, by default all of them, in one batch.

        Raises:
            InvalidOption: There is no window of an index.
        """
        order = np.arange(len(self))
        if indices is not None:
            order = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(order) and not 0 <= order.min() <= order.max() < len(self):
            raise InvalidOption(
                f"indices must lie in [0, {len(self)}), not from {order.min()} to {order.max()}"
            )
        return self.windows(order * self.length, min(self.length, self.num_predicted))

    def windows(self, starts: NDArray[np.int64], length: int) -> Batch:
        """Return the tokens from each start on, and the token that follows each of them.

        Args:
            starts: Positions of the first tokens, int64 [b].
            length: Tokens of each window.
        """
        positions = torch.from_numpy(starts)[:, None] + torch.arange(length)
        following = self.tokens[positions + 1]
        if self.characters is None:
            return self.tokens[positions], following
        return self.tokens[positions], SpelledTokens(following, self.characters[positions + 1])


@dataclass(frozen=True)
class WindowOrder:
    """The windows of each epoch, which depend on the seed and the epoch alone.

    Args:
        steps: Windows of a row.
        length: Mean length of a window in tokens.
        seed: Seed of the lengths.
        random: Whether lengths are random.
    """

    steps: int
    length: int
    seed: int
    random: bool

    def starts(self, epoch: int) -> NDArray[np.int64]:
        """Return the first token of each window in its row, and the row's end, int64 [steps + 1].

        Random lengths are drawn as in AWD-LSTM, with the means `length` (probability 0.95) or half
        of it and the deviation 5, and then scaled so that each epoch reads the rows exactly once.
        """
        even = np.arange(self.steps + 1) * self.length
        if not self.random:
            return even

        rng = np.random.default_rng([self.seed, epoch])
        means = np.where(rng.random(self.steps) < _FULL, self.length, self.length / 2)
        lengths = rng.normal(means, _DEVIATION).clip(_SHORTEST, self.length + _LONGEST_EXCESS)

        # One token at least for each window, and the same end as with even lengths.
        spare = (self.length - 1) * self.steps
        ends = np.rint(np.cumsum(lengths) * (spare / lengths.sum())).astype(np.int64)
        return np.concatenate([[0], ends + np.arange(1, self.steps + 1)])


class TextLoader(PositionedLoader):
    """An `EpochLoader` over the windows of rows.

    Args:
        split: Text.
        order: Windows of each epoch.
        rows: Numbers of the rows of this process.
    """

    def __init__(self, split: TextSplit, order: WindowOrder, rows: range):
        super().__init__()
        self.split = split
        self.order = order
        self.rows = rows

    def __len__(self) -> int:
        return self.order.steps

    def batches(self, epoch: int, steps: range) -> Iterator[Batch]:
        """Return the windows of some steps of an epoch."""
        starts = self.order.starts(epoch)
        row_length = len(self) * self.order.length
        rows = np.array(self.rows, dtype=np.int64) * row_length
        for step in steps:
            begin, end = starts[step : step + 2].tolist()
            yield self.split.windows(rows + begin, end - begin)
