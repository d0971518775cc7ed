"""Processor time of a service's processes, by what each of them does, from `/proc`."""

from __future__ import annotations

import os
from pathlib import Path

# Part of a process's command line -> what the process does. The first that matches counts: the
# workers and the parts of the service before Ray, whose name is in the paths of all.
_ROLES = (
    ("ray::", "workers"),
    ("service.server", "web"),
    ("service.engine", "engine"),
    ("service\0serve", "supervisor"),
    ("/ray/", "Ray"),
)

OWN_ROLES = ("supervisor", "web", "engine")
"""Processes of a service that wait for jobs, without those of Ray."""

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def times_by_role(pid: int) -> dict[str, float]:
    """Return the processor time that the processes of a service have used.

    Args:
        pid: Id of the service's first process.

    Returns:
        `supervisor`, `web`, `engine`, `workers`, `Ray` or `other` -> seconds. A process that has
        ended counts for its parent.
    """
    stats = {int(path.name): _stat(path) for path in Path("/proc").glob("[0-9]*")}
    tree = {pid}
    # Until nothing is added, as a child can have a lower number than its parent.
    while more := {child for child, (parent, _) in stats.items() if parent in tree} - tree:
        tree |= more

    seconds: dict[str, float] = {}
    for member in tree:
        role = _role(member)
        seconds[role] = seconds.get(role, 0.0) + stats.get(member, (0, 0.0))[1]

    return seconds


def used_between(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Return the seconds that each role used between two calls of `times_by_role`."""
    return {role: after[role] - before.get(role, 0.0) for role in after}


def _role(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "other"
    return next((role for part, role in _ROLES if part in command), "other")


def _stat(process: Path) -> tuple[int, float]:
    """Return the parent of a process, and its seconds with those of its children that ended."""
    try:
        text = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0, 0.0
    # After the name, which is in parentheses and may contain spaces.
    fields = text.rpartition(")")[2].split()
    ticks = sum(map(int, fields[11:15]))
    return int(fields[1]), ticks / _TICKS_PER_SECOND
