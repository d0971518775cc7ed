"""Energy of a run where the machine counts it: NVML's counter of a GPU, RAPL's of a processor's
packages.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from profiler.instruments.devices import Device

RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True)
class EnergyCounter:
    """A counter that only grows.

    Args:
        name: what is counted, as the table records it.
        read: millijoules so far.
        window_s: how long a reading must last, so that the counter's own steps do not matter.
        wrap_mj: what the counter starts again at; 0 where it does not.
    """

    name: str
    read: Callable[[], float]
    window_s: float
    wrap_mj: float = 0.0

    def of(self, run: Callable[[], float]) -> float:
        """Energy of one run in millijoules, over as many runs as the window takes.

        All that the device does meanwhile is in it: it is the machine's energy, not the process's.
        It is counted from one of the counter's steps to another, so that a step's width, up to a
        fifth of the window, is no error of it.
        """
        _, before = self._step(run)
        runs, begin = 0, time.monotonic()
        while not runs or time.monotonic() - begin < self.window_s:
            run()
            runs += 1
        more, after = self._step(run)
        runs, spent = runs + more, after - before
        if spent < 0:
            spent += self.wrap_mj
        return round(spent / runs, 4)

    def _step(self, run: Callable[[], float]) -> tuple[int, float]:
        """Run until the counter moves, or in vain for a window; how often, and what it then
        reads.
        """
        runs, begin, first = 0, time.monotonic(), self.read()
        while (now := self.read()) == first and time.monotonic() - begin < self.window_s:
            run()
            runs += 1
        return runs, now


def find_counter(device: Device, root: Path = RAPL) -> EnergyCounter | None:
    """The counter of a device; None where the machine has none or does not let it be read."""
    return _nvml(device) if device.kind == "cuda" else _rapl(root)


def _rapl(root: Path) -> EnergyCounter | None:
    zones = [path for path in sorted(root.glob("*-rapl:*")) if path.name.count(":") == 1]
    try:
        # Packages alone, such as intel-rapl:0: parts (intel-rapl:0:1) are in them, and they in
        # psys, the platform.
        packages = [path for path in zones if (path / "name").read_text().startswith("package")]
        files = [path / "energy_uj" for path in packages]
        wrap = sum(float((path / "max_energy_range_uj").read_text()) for path in packages)
        for file in files:
            float(file.read_text())
    except (OSError, ValueError):
        return None
    if not files:
        return None

    def read() -> float:
        return sum(float(file.read_text()) for file in files) / 1e3

    return EnergyCounter("RAPL, all processor packages", read, 0.05, wrap / 1e3 / len(files))


def _nvml(device: Device) -> EnergyCounter | None:
    try:
        import pynvml  # type: ignore[import-not-found,import-untyped,unused-ignore]

        pynvml.nvmlInit()
        uuid = str(device.identity.get("uuid", ""))
        handle = (
            pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            if uuid
            else pynvml.nvmlDeviceGetHandleByIndex(device.index)
        )
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # pynvml absent, or any of NVML's errors: then there is no counter
        return None

    def read() -> float:
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))

    # NVML's counter moves about every 20 to 100 ms.
    return EnergyCounter("NVML, the GPU", read, 0.5)
