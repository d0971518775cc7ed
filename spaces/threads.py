"""The number of threads that torch uses, fixed for a block of code."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


def running_threads() -> int:
    """Return the number of threads that torch's operations run with.

    OpenMP starts no more than OMP_THREAD_LIMIT, which torch does not take into account.
    """
    import torch

    limit = os.environ.get("OMP_THREAD_LIMIT", "")
    threads = torch.get_num_threads()
    return min(threads, int(limit)) if limit.isdecimal() and int(limit) else threads


@contextlib.contextmanager
def fixed_threads(count: int | None) -> Iterator[None]:
    """Let torch use a number of threads within the block, and restore the previous number after it.

    Nothing is set where torch is not installed.

    Args:
        count: Number of threads. None: the current number.
    """
    try:
        import torch
    except ImportError:
        # A device whose runtime needs no torch has no threads of torch to set.
        yield
        return

    # The number is global to the process.
    previous = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(previous)
