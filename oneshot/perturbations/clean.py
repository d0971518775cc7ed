"""No perturbation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from oneshot.perturbations.perturbation import Perturbation
from oneshot.perturbations.registry import register_perturbation


@register_perturbation("clean")
class Clean(Perturbation):
    """Leaves the network and its inputs as they are."""

    uses_model = False

    def around(
        self,
        model: nn.Module,
        inputs: Tensor,
        loss_at: Callable[[Tensor], Tensor],
        generator: torch.Generator,
    ) -> AbstractContextManager[Tensor]:
        """Return a context that changes nothing."""
        return nullcontext(inputs)
