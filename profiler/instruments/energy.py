"""Energy of a run by the machine's counters: NVML's of a GPU, RAPL's of processor packages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from profiler.instruments.devices import Device

# Linux's interface to the counters of Intel's and AMD's processors.
RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True)
class EnergyCounter:
    """A counter of a device's energy, which only grows.

    Args:
        name: Name of the counter, which a table records.
        read: Function that returns the millijoules so far.
        window_s: Duration of a reading, long enough that the counter's own steps do not matter.
        wrap_mj: Value at which the counter starts again from 0. 0 where it does not.
    """

    name: str
    read: Callable[[], float]
    window_s: float
    wrap_mj: float = 0.0

    def per_run(self, run: Callable[[], float]) -> float:
        """Return the energy of one run in millijoules, averaged over as many as the window takes.

        It is the whole device's energy during the runs, not the process's. It is counted from one
        step of the counter to another, so that the width of a step, up to a fifth of the window, is
        no error.
        """
        # Runs before the counter's first step are not counted: that step began at an unknown time.
        _, before = self._run_until_step(run)
        runs = 0
        begin = time.monotonic()
        while not runs or time.monotonic() - begin < self.window_s:
            run()
            runs += 1

        more_runs, after = self._run_until_step(run)

        spent = after - before
        # RAPL's counters start again from 0 within hours.
        if spent < 0:
            spent += self.wrap_mj
        return round(spent / (runs + more_runs), 4)

    def _run_until_step(self, run: Callable[[], float]) -> tuple[int, float]:
        """Run until the counter moves, at most for a window.

        Returns:
            The number of runs, and the counter's new value.
        """
        runs = 0
        begin = time.monotonic()
        first = self.read()
        while (value := self.read()) == first and time.monotonic() - begin < self.window_s:
            run()
            runs += 1

        return runs, value


def find_counter(device: Device, root: Path = RAPL) -> EnergyCounter | None:
    """Return the counter of a device, None where the machine has none or none is readable.

    Args:
        device: Device to measure.
        root: Folder of the processor's counters.
    """
    return _nvml(device) if device.kind == "cuda" else _rapl(root)


def _rapl(root: Path) -> EnergyCounter | None:
    zones = [path for path in sorted(root.glob("*-rapl:*")) if path.name.count(":") == 1]
    try:
        # Packages alone, such as intel-rapl:0: they include their zones (intel-rapl:0:1), and psys,
        # the platform, includes them.
        packages = [path for path in zones if (path / "name").read_text().startswith("package")]
        files = [path / "energy_uj" for path in packages]
        wrap = sum(float((path / "max_energy_range_uj").read_text()) for path in packages)
        # Reading needs the right to: an error now, not during the measurement.
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
        # By its identity: CUDA may number the devices in another order.
        uuid = str(device.identity.get("uuid", ""))
        if uuid:
            handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        else:
            handle = pynvml.nvmlDeviceGetHandleByIndex(device.index)

        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    # pynvml is absent, or NVML raises any of its errors: then no counter exists.
    except Exception:
        return None

    def read() -> float:
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))

    # NVML's counter moves about every 20 to 100 ms.
    return EnergyCounter("NVML, the GPU", read, 0.5)
