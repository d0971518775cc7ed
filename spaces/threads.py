"""The number of threads that torch uses, fixed for a block of code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def fixed_threads(count: int | None) -> Iterator[None]:
    """Let torch use a number of threads within the block, and restore the previous number after it.

    Args:
        count: Number of threads. None: the current number.
    """
    # The number is global to the process.
    previous = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(previous)
