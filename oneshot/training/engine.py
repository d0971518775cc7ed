"""Engine: backward passes and updates on devices, by Lightning Fabric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.errors import InvalidRun
from oneshot.training.meter import Meter

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from oneshot.tasks.task import Task


class Engine:
    """Backward passes, updates and agreement between the processes of a training.

    Args:
        fabric: Lightning's Fabric, launched.
        optimizers: Optimizers with their schedules; None: a constant learning rate.
        clip: Maximum norm of the gradient of an update of the weights, which are the parameters of
            the first optimizer; None: unlimited.
        task: Task whose metrics are reported; None: reports show the loss alone.

    Example:
        >>> from oneshot.training.execution import Execution
        >>> from oneshot.training.fitting import launchable
        >>> weight = torch.nn.Parameter(torch.tensor(1.0))
        >>> optimizer = torch.optim.SGD([weight], lr=0.5)
        >>> engine = Engine(launchable(Execution(accelerator="cpu")), [(optimizer, None)])
        >>> engine.backward(weight * 2)
        >>> engine.update()
        >>> weight.item()
        0.0
    """

    def __init__(
        self,
        fabric: Fabric,
        optimizers: Sequence[tuple[Optimizer, LRScheduler | None]],
        clip: float | None = None,
        task: Task | None = None,
    ):
        self.fabric = fabric
        self.clip = clip
        self.meter = Meter(fabric.device, task)
        self.optimizers = [optimizer for optimizer, _ in optimizers]
        self.schedules = [schedule for _, schedule in optimizers]

    @property
    def ranks(self) -> int:
        """Number of processes of the training."""
        return int(self.fabric.world_size)

    def autocast(self) -> AbstractContextManager[Any]:
        """Run forward passes within the block in the training's precision."""
        return self.fabric.autocast()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to the present ones."""
        self.fabric.backward(loss)

    def update(self, index: int = 0, clip: float | None = None, rate_factor: float = 1.0) -> None:
        """Step an optimizer and its schedule on gradients averaged over all processes.

        Weights whose gradient is None rather than 0 stay as they are: candidates that are not in
        the path have neither momentum nor decay. All gradients are None afterwards.

        Args:
            index: Index of the optimizer.
            clip: Maximum norm of the gradient of another optimizer than the first, which has the
                engine's; None: unlimited.
            rate_factor: Factor of the learning rate in this update alone.
        """
        optimizer = self.optimizers[index]
        schedule = self.schedules[index]
        weights = [
            weight
            for group in optimizer.param_groups
            for weight in group["params"]
            if weight.grad is not None
        ]
        if self.ranks > 1:
            self._average([weight.grad for weight in weights if weight.grad is not None])

        precision = self.fabric.strategy.precision

        # Clipped after the loss scale of mixed precision is divided out.
        maximum = self.clip if index == 0 else clip
        if maximum is not None:
            precision.unscale_gradients(optimizer)
            torch.nn.utils.clip_grad_norm_(weights, maximum)
        with _rate_scaled(optimizer, rate_factor):
            precision.optimizer_step(optimizer)

        # Now rather than before the next backward pass, so that memory holds the gradients of one
        # path at a time.
        for weight in weights:
            weight.grad = None
        if schedule is not None:
            schedule.step()

    def zero_grad(self) -> None:
        """Discard the gradients of all optimizers."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def note(self, loss: Tensor, outputs: Any = None, targets: Any = None) -> None:
        """Count a batch in the next report.

        Args:
            loss: Mean over the batch.
            outputs: Outputs of the network; None: the report has no metrics of this batch.
            targets: Targets of the batch [b].
        """
        self.meter.add(loss, outputs, targets)

    def _average(self, gradients: Sequence[Tensor]) -> None:
        # One message of the path's gradients alone: torch's DistributedDataParallel would send the
        # whole supernet's.
        if not gradients:
            return
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.ranks
        means = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def check_same(self, digest: int | None) -> None:
        """Check that all processes have the same digest; all must call this at the same step.

        Raises:
            InvalidRun: The digests differ.
        """
        value = digest or 0

        # All are equal if the maximum equals the minimum.
        highest, negative_lowest = self._maximum(value, -value)
        if highest != -negative_lowest:
            raise InvalidRun(
                "the processes of this training drew different paths: its seed is not the same"
                " on all"
            )

    def any_wants(self, stop: bool) -> bool:
        """Whether any process wants to stop; all must call this at the same step."""
        return bool(self._maximum(int(stop))[0])

    def _maximum(self, *values: int) -> list[int]:
        state = torch.tensor(values, dtype=torch.int64, device=self.fabric.device)
        torch.distributed.all_reduce(state, op=torch.distributed.ReduceOp.MAX)
        maximum: list[int] = state.tolist()
        return maximum


@contextmanager
def _rate_scaled(optimizer: Optimizer, factor: float) -> Iterator[None]:
    """Multiply the learning rates of an optimizer within the block."""
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] *= factor
    try:
        yield
    finally:
        # The values themselves, since a product and a quotient would differ in the last digit.
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
