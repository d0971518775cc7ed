"""The C library's allocator, kept from giving memory back between runs.

By default glibc returns freed memory to the system when it lies at the top of the heap or was
large, and asks for it again, page by page, at the next tensor. Whether that happens depends on what
a process allocated before, so the same block takes 1.2 ms in one process and 2.5 ms in the next,
and in one network but not in another. A process that serves networks gains by the same setting:
MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ in its environment.
"""

from __future__ import annotations

import ctypes

TRIM, MMAP = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h."""

MMAP_BYTES = 32 << 20
"""The most that glibc accepts."""

ENVIRONMENT = {"MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_MMAP_THRESHOLD_": str(MMAP_BYTES)}
"""The same for any program."""


def keep_memory() -> bool:
    """Let this process keep what it frees, from now on; whether its C library could be told so
    (glibc can).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(TRIM, 2**31 - 1)) and bool(mallopt(MMAP, MMAP_BYTES))


def condition() -> dict[str, str]:
    """What a table's conditions record of it."""
    return {"allocator": "keeps memory" if keep_memory() else "default"}
