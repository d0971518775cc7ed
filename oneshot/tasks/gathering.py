"""Values of all processes, for tallies whose parts have no sum."""

from __future__ import annotations

from typing import TypeVar

import torch.distributed

T = TypeVar("T")


def gathered(values: T) -> list[T]:
    """Return the values of all processes in the order of their ranks.

    Args:
        values: Tensors in plain containers; each process must call this at the same time.
    """
    results: list[T | None] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(results, values)
    return [result for result in results if result is not None]
