"""The memory that this process can still allocate."""

from __future__ import annotations

import sys
from pathlib import Path

# A container's limit may be below the machine's memory.
_CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Return the bytes that this process can still allocate without swapping.

    The least of the machine's available memory, the control group's (a container's limit) and the
    limit on the process's address space (`ulimit -v`). None where the system does not report any.
    """
    limits = [_machine(), _control_group(), _address_space()]
    finite = [limit for limit in limits if limit is not None]
    return max(min(finite), 0) if finite else None


def _machine() -> int | None:
    for line in _read(Path("/proc/meminfo")).splitlines():
        # Unlike MemFree it counts the page cache, which is given up on demand.
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return None


def _control_group() -> int | None:
    limit = _read(_CGROUP / "memory.max").strip()
    used = _read(_CGROUP / "memory.current").strip()
    # Without a limit the file has the word "max".
    return int(limit) - int(used) if limit.isdigit() and used.isdigit() else None


def _address_space() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _read(Path("/proc/self/statm")).split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return limit - int(pages[0]) * resource.getpagesize()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
