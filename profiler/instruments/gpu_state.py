"""Clock and temperature of a GPU, by nvidia-smi."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

from profiler.instruments.devices import Device

_TIMEOUT_S = 5.0

State = Callable[[], tuple[float, float] | None]


def reader(device: Device) -> State:
    """Reads the multiprocessors' clock in MHz and the temperature in degrees Celsius; None where
    they are not told.
    """
    program = shutil.which("nvidia-smi") if device.kind == "cuda" else None
    if program is None:
        return lambda: None
    uuid = device.identity.get("uuid")
    which = f"GPU-{uuid}" if uuid else str(device.index)
    command = [
        program,
        "--query-gpu=clocks.sm,temperature.gpu",
        "--format=csv,noheader,nounits",
        "-i",
        which,
    ]

    def read() -> tuple[float, float] | None:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return parse(done.stdout) if done.returncode == 0 else None

    return read


def parse(text: str) -> tuple[float, float] | None:
    """`1980, 45` as numbers; None where the driver does not tell one of them."""
    try:
        clock, temperature = (float(part) for part in text.strip().split(","))
    except ValueError:
        return None
    return clock, temperature
