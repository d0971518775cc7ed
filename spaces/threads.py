"""Torch's number of threads, fixed for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def fixed_threads(count: int | None) -> Iterator[None]:
    """Let torch use `count` threads within the block (None: as many as before); restored behind
    it.
    """
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
