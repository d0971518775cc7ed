"""Targets of different lengths in one batch, such as the boxes of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class Padded:
    """Rows of different lengths, padded with zeros to the longest one.

    Args:
        values: Rows with their padding [b, longest, ...].
        lengths: Length of each row without its padding, int64 [b].

    Example:
        >>> targets = Padded.from_rows([torch.tensor([1, 2, 3]), torch.tensor([4])])
        >>> targets.values.tolist()
        [[1, 2, 3], [4, 0, 0]]
        >>> [row.tolist() for row in targets[1:].rows()]
        [[4]]
    """

    values: Tensor
    lengths: Tensor

    @classmethod
    def from_rows(cls, rows: Sequence[Tensor]) -> Padded:
        """Return rows [length, ...] in one structure; at least one row is needed."""
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        return cls(pad_sequence(list(rows), batch_first=True), lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: slice | Tensor) -> Padded:
        return Padded(self.values[index], self.lengths[index])

    def to(self, device: Any, *, non_blocking: bool = False) -> Padded:
        """Return the rows on a device."""
        return Padded(
            self.values.to(device, non_blocking=non_blocking),
            self.lengths.to(device, non_blocking=non_blocking),
        )

    def rows(self) -> list[Tensor]:
        """Return the rows without their padding."""
        lengths = self.lengths.tolist()
        return [row[:length] for row, length in zip(self.values, lengths, strict=True)]


Targets: TypeAlias = Tensor | Padded
"""Targets of a batch: both kinds have `len`, `to`, and slices by a range or by indices."""
