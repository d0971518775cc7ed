"""Settings of the C library's allocator, so that it retains memory between runs.

By default glibc returns freed memory to the system when it is at the top of the heap or was large,
and requests it again, page by page, for the next tensor. Whether that happens depends on the
process's earlier allocations, so the same block takes 1.2 ms in one process and 2.5 ms in the next,
and in one network but not in another. A process that serves networks gains by the same setting:
MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ in its environment.
"""

from __future__ import annotations

import ctypes

TRIM = -1
"""M_TRIM_THRESHOLD of glibc's malloc.h."""

MMAP = -3
"""M_MMAP_THRESHOLD of glibc's malloc.h."""

MMAP_BYTES = 32 << 20
"""The greatest threshold that glibc accepts."""

ENVIRONMENT = {"MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_MMAP_THRESHOLD_": str(MMAP_BYTES)}
"""Environment variables with the same effect for any program."""


def keep_memory() -> bool:
    """Let this process retain freed memory from now on.

    Returns:
        Whether its C library supports that, as glibc does.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    # Other C libraries lack mallopt, and Windows the library of the process itself.
    except (OSError, AttributeError, TypeError):
        return False

    return bool(mallopt(TRIM, 2**31 - 1)) and bool(mallopt(MMAP, MMAP_BYTES))


def condition() -> dict[str, str]:
    """Return the allocator's setting, which a table's conditions record."""
    return {"allocator": "keeps memory" if keep_memory() else "default"}
