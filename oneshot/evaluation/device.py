"""Devices of evaluations."""

from __future__ import annotations

import os
import re

import torch

from oneshot.errors import InvalidOption


def find_device(name: str) -> torch.device:
    """Return the device of a name.

    Args:
        name: `cpu`, `gpu` (the first GPU), `gpu:1`, or `auto`: a GPU if the machine has one. `cuda`
            is accepted for `gpu`.

    Raises:
        InvalidOption: The name is not accepted, or torch sees no such GPU.
    """
    count = torch.cuda.device_count()
    if name == "auto":
        name = "gpu" if count else "cpu"
    match = re.fullmatch(r"cpu|(?:gpu|cuda)(?::(\d+))?", name)
    if match is None:
        raise InvalidOption(f"device must be cpu, gpu, gpu:NUMBER or auto, not {name!r}")
    if name == "cpu":
        return torch.device("cpu")
    index = int(match[1] or 0)
    if index >= count:
        raise InvalidOption(f"device {name!r}: this torch sees {count} CUDA devices here")
    return torch.device("cuda", index)


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device in bytes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
