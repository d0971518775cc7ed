"""Clock and temperature of a GPU, by nvidia-smi."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

from profiler.instruments.devices import Device

# nvidia-smi may hang on a faulty driver.
_TIMEOUT_S = 5.0

State = Callable[[], tuple[float, float] | None]


def reader(device: Device) -> State:
    """Return a function that reads a GPU's clock in MHz and temperature in degrees Celsius.

    The function returns None where the device or its driver does not report both.
    """
    program = shutil.which("nvidia-smi") if device.kind == "cuda" else None
    if program is None:
        return lambda: None

    # By its identity: CUDA may number the devices in another order.
    uuid = device.identity.get("uuid")
    command = [
        program,
        "--query-gpu=clocks.sm,temperature.gpu",
        "--format=csv,noheader,nounits",
        "-i",
        f"GPU-{uuid}" if uuid else str(device.index),
    ]

    def read() -> tuple[float, float] | None:
        try:
            process = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return parse(process.stdout) if process.returncode == 0 else None

    return read


def parse(text: str) -> tuple[float, float] | None:
    """Return the numbers of `1980, 45`, None where the driver does not report one of them."""
    try:
        clock, temperature = (float(cell) for cell in text.strip().split(","))
    except ValueError:
        return None

    return clock, temperature
