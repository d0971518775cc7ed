"""The devices that evaluations run on."""

from __future__ import annotations

import os
import re

import torch

from oneshot.errors import InvalidOption


def find_device(name: str) -> torch.device:
    """The device of a name: `cpu`, `gpu` (the first; `cuda` is taken for `gpu`), `gpu:1`, or
    `auto`.

    Raises:
        InvalidOption: the name is none, or this torch sees no such GPU.
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
    """Bytes of memory that are free on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
