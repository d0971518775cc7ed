"""Engine: what a task's step does on devices, by Lightning Fabric."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.errors import InvalidRun
from oneshot.training.meter import Meter

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class Engine:
    """Backward passes, updates and agreement between the processes of a training.

    Args:
        fabric: Lightning's, launched.
        optimizers: with their schedules.
        clip: the greatest norm of an update's gradient, None for any.
    """

    def __init__(
        self,
        fabric: Fabric,
        optimizers: Sequence[tuple[Optimizer, LRScheduler | None]],
        clip: float | None = None,
    ):
        self.fabric, self.clip, self.meter = fabric, clip, Meter(fabric.device)
        self.optimizers = [optimizer for optimizer, _ in optimizers]
        self.schedules = [schedule for _, schedule in optimizers]

    @property
    def ranks(self) -> int:
        """How many processes train."""
        return int(self.fabric.world_size)

    def autocast(self) -> AbstractContextManager[Any]:
        """Within it, forward passes run in the training's precision."""
        return self.fabric.autocast()

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients to those that are there."""
        self.fabric.backward(loss)

    def update(self, index: int = 0) -> None:
        """Step an optimiser on gradients averaged over all processes, drop these, and move its
        schedule.

        Weights without a gradient (None, not 0) are left alone: candidates that were not drawn take
        no momentum and no decay either.

        Args:
            index: of the optimiser.
        """
        optimizer, schedule = self.optimizers[index], self.schedules[index]
        weights = [
            weight
            for group in optimizer.param_groups
            for weight in group["params"]
            if weight.grad is not None
        ]
        if self.ranks > 1:
            self._average([weight.grad for weight in weights if weight.grad is not None])
        precision = self.fabric.strategy.precision
        if self.clip is not None:
            precision.unscale_gradients(optimizer)
            torch.nn.utils.clip_grad_norm_(weights, self.clip)
        precision.optimizer_step(optimizer)
        # Now and not before the next backward pass: gradients of one path at a time are in memory.
        for weight in weights:
            weight.grad = None
        if schedule is not None:
            schedule.step()

    def zero_grad(self) -> None:
        """Drop the gradients of all optimisers."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def note(
        self, loss: Tensor, logits: Tensor | None = None, labels: Tensor | None = None
    ) -> None:
        """Count a batch in the next report.

        Args:
            loss: mean of the batch.
            logits: [b, classes], where the accuracy is reported too.
            labels: [b].
        """
        self.meter.add(loss, logits, labels)

    def _average(self, gradients: Sequence[Tensor]) -> None:
        # One message of the path's gradients alone: torch's DistributedDataParallel would send the
        # whole supernet's.
        if not gradients:
            return
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.ranks
        for gradient, part in zip(
            gradients, torch.split(flat, [gradient.numel() for gradient in gradients]), strict=True
        ):
            gradient.copy_(part.view(gradient.shape))

    def check_same(self, digest: int | None) -> None:
        """Check that all processes have the same number; all must call this at the same step.

        Raises:
            InvalidRun: they have not.
        """
        value = digest or 0
        high, low = self._greatest(value, -value)
        if high != -low:
            raise InvalidRun(
                "the processes of this training drew different paths: its seed is not the same"
                " on all"
            )

    def any_wants(self, stop: bool) -> bool:
        """Whether any process wants to stop; all must call this at the same step."""
        return bool(self._greatest(int(stop))[0])

    def _greatest(self, *values: int) -> list[int]:
        state = torch.tensor(values, dtype=torch.int64, device=self.fabric.device)
        torch.distributed.all_reduce(state, op=torch.distributed.ReduceOp.MAX)
        greatest: list[int] = state.tolist()
        return greatest
