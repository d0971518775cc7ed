"""The device that NNI's trainers run on."""

from __future__ import annotations

import torch

from oneshot.errors import InvalidOption
from oneshot.evaluation.device import find_device


def chosen_device(given: torch.device | str | None) -> torch.device:
    """The device of a trainer's argument: the processor, or the first GPU.

    Args:
        given: `cpu`, `cuda` or a torch.device; None: a GPU where there is one.

    Raises:
        InvalidOption: it is no device of this machine, or another GPU than the first, on which
            trainings run.
    """
    found = find_device("auto" if given is None else str(given))
    if found.index:
        raise InvalidOption(
            f"device must be cpu or cuda, not {str(given)!r}; CUDA_VISIBLE_DEVICES chooses the GPU"
        )
    return found
