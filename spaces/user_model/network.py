"""Networks frozen from a user's own model, and new weights for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class ModelNetwork(nn.Module):
    """A frozen model; it and its parts are registered once, as `model`.

    Args:
        model: computes the output.
        blocks: its modules that are the blocks of its architecture, in order.
    """

    def __init__(self, model: nn.Module, blocks: Sequence[nn.Module]):
        super().__init__()
        self.model = model
        self.blocks = list(blocks)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.model(*inputs, **options)


def reset(model: nn.Module, generator: torch.Generator) -> None:
    """Draw new weights wherever a module has `reset_parameters`; the global generators stay as they
    are.

    Args:
        model: changed in place. Weights of modules without that method stay.
        generator: the only source of randomness.
    """
    # Modules draw from the global generators: these are seeded for a while.
    seed = int(torch.randint(1 << 62, (), generator=generator))
    devices = sorted({value.device.index or 0 for value in model.parameters() if value.is_cuda})
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        for module in model.modules():
            draw = getattr(module, "reset_parameters", None) or getattr(
                module, "_reset_parameters", None
            )
            if callable(draw):
                draw()
