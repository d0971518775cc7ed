"""Devices by name: lookup tables, and the devices of a space's benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.errors import UnknownName
from tables.cost.model import CostSource
from tables.store import load

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.benchmarks.device import BenchmarkDevice


def load_device(name: str, space: SearchSpace) -> CostSource:
    """Load the costs of a device.

    Args:
        name: Name or path of a lookup table, or else a device on which a benchmark of the space
            records costs, such as raspi4 of HW-NAS-Bench.
        space: Space of the architectures.

    Raises:
        UnknownName: Neither a table nor a device of a benchmark has this name.
        InvalidTable: The file does not exist or is not a lookup table.

    Example:
        >>> import spaces
        >>> device = load_device("amd-epyc-spos-b1-fp32-t2", spaces.get("spos"))
        >>> device.cost_model(spaces.get("spos"), "latency_ms").unit
        'ms'
    """
    try:
        return load(name)
    except UnknownName as error:
        # Benchmarks take a second to read: only names that no table has are looked up there.
        devices = benchmark_devices(space)
        if name not in devices:
            raise UnknownName("table", name, (*error.known, *devices)) from error
        return devices[name]


def benchmark_devices(space: SearchSpace) -> dict[str, BenchmarkDevice]:
    """Return the devices of all benchmarks of a space whose files exist, by name."""
    from tables.benchmarks.device import BenchmarkDevice
    from tables.benchmarks.registry import BENCHMARKS, benchmark, find

    devices: dict[str, BenchmarkDevice] = {}
    for name in BENCHMARKS:
        if BENCHMARKS.get(name).space == space.name and find(name) is not None:
            measured = benchmark(name)
            for device in measured.devices:
                devices.setdefault(device, BenchmarkDevice(measured, device))
    return devices
