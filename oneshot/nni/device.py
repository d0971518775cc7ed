"""The device that NNI's trainers run on."""

from __future__ import annotations

import torch

from oneshot.errors import InvalidOption
from oneshot.evaluation.device import find_device


def chosen_device(requested: torch.device | str | None) -> torch.device:
    """Return the device of a trainer's argument: the processor or the first GPU.

    Args:
        requested: `cpu`, `cuda` or a torch.device; None for a GPU if one is available.

    Raises:
        InvalidOption: The device does not exist on this machine, or is a GPU other than the first.
    """
    device = find_device("auto" if requested is None else str(requested))

    # Trainings always run on the first visible GPU, so another index would be ignored silently.
    if device.index:
        raise InvalidOption(
            f"device must be cpu or cuda, not {str(requested)!r}; CUDA_VISIBLE_DEVICES chooses the"
            " GPU"
        )
    return device
