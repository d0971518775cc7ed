"""Passes: forward passes of a model by its task, with the state that they carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from oneshot.tasks.classification import Classification
from oneshot.tasks.task import Task
from spaces.modules.nested import mapped


class Passes:
    """Forward passes of a training or an evaluation.

    A task may carry a state from batch to batch. Passes that follow each other in the data use
    `forward` or `loss`; several passes on one batch, as of several paths, are separated by
    `rewind`. `held_out` begins with the initial state and leaves the carried one as it is.

    Args:
        task: Task of the model; None: classification.

    Example:
        >>> import torch
        >>> passes = Passes()
        >>> targets = torch.tensor([1])
        >>> loss, outputs = passes.loss(
        ...     nn.Identity(), torch.zeros(1, 2), lambda outputs: passes.task.loss(outputs, targets)
        ... )
        >>> round(loss.item(), 3)
        0.693
    """

    def __init__(self, task: Task | None = None):
        self.task = task or Classification()
        self._committed: Any = None
        self._state: Any = None

    def forward(self, model: nn.Module, inputs: Tensor) -> Any:
        """Return a model's outputs in single precision, and carry its state on."""
        if not self.task.carries_state:
            return single_precision(model(inputs))

        state = self._state
        if state is None:
            state = self.task.initial_state(len(inputs), inputs.device)
        outputs, following = self.task.forward(model, inputs, state)

        # Truncated back-propagation: gradients end at the borders of batches.
        self._state = mapped(following, Tensor.detach)
        return single_precision(outputs)

    def loss(
        self, model: nn.Module, inputs: Tensor, loss_of: Callable[[Any], Tensor]
    ) -> tuple[Tensor, Any]:
        """Return the loss of a batch and the outputs.

        Args:
            model: Model, with its path active.
            inputs: Inputs of the batch.
            loss_of: Function outputs -> loss.
        """
        outputs = self.forward(model, inputs)
        return loss_of(outputs), outputs

    def held_out(self, model: nn.Module, inputs: Tensor) -> Any:
        """Return a model's outputs in single precision from the initial state."""
        if not self.task.carries_state:
            return single_precision(model(inputs))

        state = self.task.initial_state(len(inputs), inputs.device)
        outputs, _ = self.task.forward(model, inputs, state)
        return single_precision(outputs)

    def commit(self) -> None:
        """Accept the carried state: the next `rewind` returns to it."""
        self._committed = self._state

    def rewind(self) -> None:
        """Return to the state of the last `commit`, for another pass on the same batches."""
        self._state = self._committed

    def reset(self) -> None:
        """Return to the initial state, as at the end of a set."""
        self._committed = None
        self._state = None

    def state_dict(self) -> Any:
        """Return the carried state: tensors in plain containers; None: none is carried."""
        return self._committed

    def load_state_dict(self, state: Any, device: Any) -> None:
        """Restore the state that `state_dict` returned, on a device."""
        self._committed = mapped(state, lambda tensor: tensor.to(device))
        self._state = self._committed


def single_precision(outputs: Any) -> Any:
    """Return outputs with their tensors in single precision, in which losses are computed."""
    return mapped(outputs, Tensor.float)
