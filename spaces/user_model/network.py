"""Networks frozen from a user's own model, and new weights for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from spaces.user_model.inputs import Passing, run_model


class ModelNetwork(nn.Module):
    """A frozen model, registered once, as `model`.

    Args:
        model: Model that computes the output.
        blocks: Modules of the model that are the blocks of its architecture, in order.
        passing: How the model takes a tuple or dictionary of several inputs.
    """

    def __init__(
        self, model: nn.Module, blocks: Sequence[nn.Module], passing: Passing = Passing.WHOLE
    ):
        super().__init__()
        self.passing = passing
        self.model = model
        # A list, so that torch does not register the modules a second time.
        self.blocks = list(blocks)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return run_model(self.model, self.passing, *inputs, **options)


def reset(model: nn.Module, generator: torch.Generator) -> None:
    """Draw new weights for modules that have `reset_parameters`, and keep the global generators.

    Frozen parameters, which need no gradient, keep their values: no training would restore them.

    Args:
        model: Model to change in place; modules without that method keep their weights.
        generator: Only source of randomness.
    """
    frozen = {value: value.detach().clone() for value in frozen_parameters(model)}

    # Modules draw from the global generators, which are therefore seeded and then restored.
    seed = int(torch.randint(1 << 62, (), generator=generator))
    devices = sorted({value.device.index or 0 for value in model.parameters() if value.is_cuda})
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)

        for module in _trained_modules(model):
            draw = getattr(module, "reset_parameters", None) or getattr(
                module, "_reset_parameters", None
            )
            if callable(draw):
                draw()

    # A module may have frozen and trained parameters.
    with torch.no_grad():
        for parameter, value in frozen.items():
            parameter.copy_(value)


def frozen_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that need no gradient."""
    return [value for value in model.parameters() if not value.requires_grad]


def _trained_modules(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of a model, without those inside of modules that are frozen as a whole.

    The buffers of a frozen module, such as the statistics of batch normalisation, belong to its
    weights.
    """
    frozen = {
        submodule
        for module in model.modules()
        if 0 < sum(1 for _ in module.parameters()) == len(frozen_parameters(module))
        for submodule in module.modules()
    }
    yield from (module for module in model.modules() if module not in frozen)
