"""The devices of this machine and their identity."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiler.errors import DeviceNotFound


@dataclass(frozen=True)
class Device:
    """A processor that networks can be measured on.

    Args:
        kind: `cpu` or `cuda`.
        index: of a CUDA device.
        processor: its maker's name.
        identity: what else tells it from others (cores, memory, system).
    """

    kind: str
    index: int
    processor: str
    identity: dict[str, Any]

    @property
    def name(self) -> str:
        """What `--device` calls it."""
        return "cpu" if self.kind == "cpu" else f"gpu:{self.index}"

    @property
    def threads(self) -> int:
        """Torch threads that it is measured with by default: all cores of a processor, one beside a
        GPU.
        """
        return int(self.identity["cores"]) if self.kind == "cpu" else 1

    @property
    def torch_name(self) -> str:
        """What torch calls it."""
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"

    def to_dict(self) -> dict[str, Any]:
        """The identity that a lookup table records."""
        return {"kind": self.kind, "processor": self.processor, **self.identity}


def devices() -> list[Device]:
    """The devices of this machine, the processor first."""
    import torch

    found = [_cpu()]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        identity = {
            "cores": properties.multi_processor_count,
            "memory_bytes": properties.total_memory,
        }
        uuid = str(getattr(properties, "uuid", ""))
        found.append(
            Device("cuda", index, properties.name, {**identity, "system": _system(), "uuid": uuid})
        )
    return found


def find(name: str) -> Device:
    """The device of a name: `cpu`, `gpu` (the first), `gpu:1`; `cuda` is taken for `gpu`.

    Raises:
        DeviceNotFound: it does not exist here; the message names those that do.
    """
    found = devices()
    wanted = name.replace("cuda", "gpu")
    for device in found:
        if wanted in (device.name, device.name.removesuffix(":0")):
            return device
    there = ", ".join(f"{device.name} ({device.processor})" for device in found)
    if wanted.startswith("gpu") and len(found) == 1:
        raise DeviceNotFound(
            f"--device {name}: this torch sees no CUDA device here; there is: {there}"
        )
    raise DeviceNotFound(f"unknown device {name!r}; there is: {there}")


def _cpu() -> Device:
    usable = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return Device("cpu", 0, _processor_name(), {"cores": usable, "system": _system()})


def _system() -> str:
    return f"{platform.system()} {platform.machine()}"


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith(("model name", "Hardware", "cpu model")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown processor"
