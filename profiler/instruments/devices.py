"""The devices of this machine and their identity."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiler.errors import DeviceNotFound


@dataclass(frozen=True)
class Device:
    """A processor or GPU on which networks can be measured.

    Args:
        kind: `cpu` or `cuda`.
        index: Index of a CUDA device.
        processor: Name that its maker gives it.
        identity: Further properties that distinguish it (cores, memory, system).
    """

    kind: str
    index: int
    processor: str
    identity: dict[str, Any]

    @property
    def name(self) -> str:
        """Name for `--device`."""
        return "cpu" if self.kind == "cpu" else f"gpu:{self.index}"

    @property
    def threads(self) -> int:
        """Default number of torch threads: all cores of a processor, one for a GPU."""
        return int(self.identity["cores"]) if self.kind == "cpu" else 1

    @property
    def torch_name(self) -> str:
        """Torch's name of the device."""
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"

    def to_dict(self) -> dict[str, Any]:
        """Return the identity that a lookup table records."""
        return {"kind": self.kind, "processor": self.processor, **self.identity}


def devices() -> list[Device]:
    """Return the devices of this machine, the processor first.

    Without torch the processor is the only one that is known.
    """
    devices = [_cpu()]
    try:
        import torch
    except ImportError:
        return devices

    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        identity = {
            "cores": properties.multi_processor_count,
            "memory_bytes": properties.total_memory,
            "system": _system(),
            "uuid": str(getattr(properties, "uuid", "")),
        }
        devices.append(Device("cuda", index, properties.name, identity))

    return devices


def find(name: str) -> Device:
    """Return the device of a name.

    Args:
        name: `cpu`, `gpu` (the first one), or such as `gpu:1`; `cuda` is accepted for `gpu`.

    Raises:
        DeviceNotFound: This machine has no such device; the message lists its devices.
    """
    # Importing torch takes seconds, and the processor needs none.
    if name == "cpu":
        return _cpu()
    available = devices()

    # torch's name of the device is accepted as well.
    canonical = name.replace("cuda", "gpu")
    for device in available:
        if canonical in (device.name, device.name.removesuffix(":0")):
            return device

    listed = ", ".join(f"{device.name} ({device.processor})" for device in available)
    if canonical.startswith("gpu") and len(available) == 1:
        raise DeviceNotFound(
            f"--device {name}: this torch sees no CUDA device here; available: {listed}"
        )

    raise DeviceNotFound(f"unknown device {name!r}; available: {listed}")


def find_like(identity: Mapping[str, Any]) -> Device:
    """Return this machine's first device of the kind that a table records; raises as `find`.

    Args:
        identity: Identity of the table's device.
    """
    return find("gpu" if identity["kind"] == "cuda" else "cpu")


def _cpu() -> Device:
    # A container or taskset may allow fewer cores than the machine has.
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return Device("cpu", 0, _processor_name(), {"cores": cores, "system": _system()})


def _system() -> str:
    return f"{platform.system()} {platform.machine()}"


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith(("model name", "Hardware", "cpu model")):
                return line.partition(":")[2].strip()

    return platform.processor() or platform.machine() or "unknown processor"
