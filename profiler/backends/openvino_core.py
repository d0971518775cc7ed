"""OpenVINO's core, one for the process."""

from __future__ import annotations

import functools
from typing import Any


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
    import openvino

    return openvino.Core()
