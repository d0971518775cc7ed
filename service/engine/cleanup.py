"""Removal of the processes and files that a dead engine's Ray left.

The processes are recognised by a mark in their environment or by the files that they have open.
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
"""Environment variable of every process below an engine; its value is the data folder."""

# File in the data folder that has the path of the session folder of Ray.
_NOTE = "ray-folder"

_PREFIX = "pf-"


def new_session_folder(data: Path) -> Path:
    """Create a folder for Ray's session, and note it in the data folder.

    Its path is short and outside the data folder: Ray creates sockets in it, and the path of a
    socket may have about 100 characters.
    """
    # Not TMPDIR, which may be too long for the path of a socket.
    parent = "/tmp" if os.path.isdir("/tmp") else None  # noqa: PTH112
    folder = Path(tempfile.mkdtemp("", _PREFIX, parent))
    write_text(data / _NOTE, f"{folder}\n")
    return folder


def clean_up(data: Path, patience: float = 2.0) -> None:
    """Kill every process of a dead engine, and remove the session folder of its Ray.

    Args:
        data: The data folder.
        patience: Seconds to wait until the processes have ended.
    """
    kill_processes(data, patience)
    folder = _session_folder(data)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)

    (data / _NOTE).unlink(missing_ok=True)


def kill_processes(data: Path, patience: float = 2.0) -> None:
    """Kill every process of an engine except this one.

    Without `/proc` none is recognised; Ray's own processes then end within about a minute.

    Args:
        data: The data folder.
        patience: Seconds to wait until the processes have ended.
    """
    # Again and again: a process can start another one between the listing and its own end.
    deadline = time.monotonic() + patience
    while pids := [pid for pid in living_processes(data) if pid != os.getpid()]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() >= deadline:
            return
        time.sleep(0.02)


def living_processes(data: Path) -> list[int]:
    """Return the ids of the living processes of an engine on a data folder."""
    mark = f"{MARK}={data}".encode()
    folder = _session_folder(data)
    inside = None if folder is None else f"{folder}/"
    processes = Path("/proc").glob("[0-9]*")
    return [int(path.name) for path in processes if _belongs(path, mark, inside)]


def _belongs(process: Path, mark: bytes, inside: str | None) -> bool:
    try:
        if mark in (process / "environ").read_bytes().split(b"\0"):
            return True
        if inside is None:
            return False

        # Some of Ray's processes write their title over their environment; all of them have logs
        # open in the session folder.
        open_files = (process / "fd").iterdir()

        return any(str(handle.readlink()).startswith(inside) for handle in open_files)
    except OSError:
        # The process has ended or is another user's; a zombie has neither environment nor files.
        return False


def _session_folder(data: Path) -> Path | None:
    """Return the folder that the note names, if `new_session_folder` created it."""
    with contextlib.suppress(OSError, ValueError):
        folder = Path((data / _NOTE).read_text(encoding="utf-8").strip())
        # A note can be old or forged: no other folder than a session's must be removed.
        is_ours = folder.is_dir() and folder.stat().st_uid == os.getuid()
        if folder.name.startswith(_PREFIX) and is_ours:
            return folder

    return None
