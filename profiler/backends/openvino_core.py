"""OpenVINO without its reports of usage, and its core, one for the process."""

from __future__ import annotations

import functools
import sys
from typing import Any


@functools.cache
def openvino_module() -> Any:
    """Import OpenVINO, which reports nothing to anybody.

    Its converter, which is imported with it, would report the import to a server of Google
    Analytics where nobody has declined that, from a fork of this process. If the process is killed
    meanwhile, the fork may wait without end and hold its outputs open.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
    """
    # OpenVINO and nncf do without this package where it cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@functools.cache
def shared_core() -> Any:
    """Return OpenVINO's core, the same one for the whole process.

    A core that compiles sets another stack for the handlers of signals, and puts back the one
    before when it ends. Of two cores that end in the order in which they began, the process keeps a
    stack whose memory is freed, and crashes at the next signal that it handles: torch's loaders
    with workers handle the end of every other process.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
    """
    return openvino_module().Core()
