"""Remains: processes and files that a dead engine's Ray left, told by a mark in their environment
or by open files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

from spaces.files import write_text

MARK = "PATHFIT_SERVICE"
"""Variable of the environment of every process below an engine; its value is the data folder."""

_NOTE = "ray-folder"


def new_folder(data: Path) -> Path:
    """A new folder for Ray's session, noted in the data folder.

    It is short and not in the data folder: Ray puts sockets into it, whose paths may have about 100
    characters.
    """
    parent = "/tmp" if os.path.isdir("/tmp") else None  # noqa: PTH112
    folder = Path(tempfile.mkdtemp("", "pf-", parent))
    write_text(data / _NOTE, f"{folder}\n")
    return folder


def clear(data: Path, patience: float = 2.0) -> None:
    """Kill every process of a dead engine, and remove its Ray's folder.

    Args:
        data: the data folder.
        patience: seconds to wait until the processes are gone.
    """
    end(data, patience)
    if (folder := _noted(data)) is not None:
        shutil.rmtree(folder, ignore_errors=True)
    (data / _NOTE).unlink(missing_ok=True)


def end(data: Path, patience: float = 2.0) -> None:
    """Kill every process of an engine but this one.

    Without `/proc` none is found: there Ray's own processes end by themselves, within about a
    minute.
    """
    deadline = time.monotonic() + patience
    while found := [pid for pid in living(data) if pid != os.getpid()]:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() >= deadline:
            return
        time.sleep(0.02)


def living(data: Path) -> list[int]:
    """Ids of the living processes of an engine on a data folder."""
    mark, folder = f"{MARK}={data}".encode(), _noted(data)
    inside = None if folder is None else f"{folder}/"
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _belongs(path, mark, inside)]


def _belongs(process: Path, mark: bytes, inside: str | None) -> bool:
    try:
        if mark in (process / "environ").read_bytes().split(b"\0"):
            return True
        # Some of Ray's processes write their title over their environment; all of them write logs.
        return inside is not None and any(
            str(handle.readlink()).startswith(inside) for handle in (process / "fd").iterdir()
        )
    except (
        OSError
    ):  # it has ended, or is another user's; a zombie has neither environment nor files
        return False


def _noted(data: Path) -> Path | None:
    """The folder that the note names, if it is one that `new_folder` made."""
    with contextlib.suppress(OSError, ValueError):
        folder = Path((data / _NOTE).read_text(encoding="utf-8").strip())
        if (
            folder.name.startswith("pf-")
            and folder.is_dir()
            and folder.stat().st_uid == os.getuid()
        ):
            return folder
    return None
