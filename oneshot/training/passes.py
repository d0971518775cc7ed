"""Passes: forward passes of a model by its task, with the state that they carry."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.perturbations.conditions import Conditions, generator_of
from oneshot.tasks.classification import Classification
from oneshot.tasks.task import Task
from spaces.modules.nested import mapped, tensors_in


class Passes:
    """Forward passes of a training or an evaluation.

    A task may carry a state from batch to batch. Passes that follow each other in the data use
    `forward` or `loss`; several passes on one batch, as of several paths, are separated by
    `rewind`. `held_out` begins with the initial state and leaves the carried one as it is.

    Under conditions each batch is run once for each of them, and losses are weighted sums.

    Args:
        task: Task of the model; None: classification.
        conditions: Perturbations with their weights; None: the network is run as it is.

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

    def __init__(self, task: Task | None = None, conditions: Conditions | None = None):
        self.task = task or Classification()
        self.conditions = conditions
        self._key = (0, 0, 0)
        self._count = 0
        self._committed: Any = None
        self._state: Any = None

    def begin(self, seed: int, step: int, rank: int) -> None:
        """Begin an update, from whose numbers all perturbations are drawn."""
        self._key = (seed, step, rank)
        self._count = 0

    def forward(self, model: nn.Module, inputs: Any) -> Any:
        """Return a model's outputs in single precision, and carry its state on."""
        outputs, following = self._run(model, inputs, self._state)

        # Truncated back-propagation: gradients end at the borders of batches.
        self._state = mapped(following, Tensor.detach)
        return outputs

    def loss(
        self, model: nn.Module, inputs: Any, loss_of: Callable[[Any], Tensor]
    ) -> tuple[Tensor, Any]:
        """Return the loss of a batch and the outputs, under several conditions of the first one.

        Args:
            model: Model, with its path active.
            inputs: Inputs of the batch.
            loss_of: Function outputs -> loss.
        """
        if self.conditions is None:
            outputs = self.forward(model, inputs)
            return loss_of(outputs), outputs

        # All conditions begin with the same state; that of the first one is carried on.
        before = self._state
        results = []
        states = []
        for weight, perturbed in self._perturbed(model, inputs, loss_of):
            self._state = before
            with perturbed as changed:
                outputs = self.forward(model, changed)
            results.append((weight * loss_of(outputs), outputs))
            states.append(self._state)

        self._state = states[0]

        return functools.reduce(operator.add, [loss for loss, _ in results]), results[0][1]

    def held_out(self, model: nn.Module, inputs: Any, value_of: Callable[[Any], Tensor]) -> Tensor:
        """Return a value of a model's outputs from the initial state, such as a loss.

        Args:
            model: Model, with its path active.
            inputs: Inputs of the batch.
            value_of: Function outputs -> value; under conditions it is a weighted sum.
        """
        if self.conditions is None:
            return value_of(self.from_start(model, inputs))

        values = []
        for weight, perturbed in self._perturbed(model, inputs, value_of):
            with perturbed as changed:
                values.append(weight * value_of(self.from_start(model, changed)))

        return functools.reduce(operator.add, values)

    def perturbed_inputs(self, inputs: Any) -> list[Any]:
        """Return the inputs of a batch under each condition, none of which uses the model."""
        changed = []
        # The same random numbers as of `loss`, which runs the model within the contexts.
        for _, perturbed in self._perturbed(nn.Identity(), inputs, torch.sum):
            with perturbed as value:
                changed.append(value)

        return changed

    def _perturbed(
        self, model: nn.Module, inputs: Any, loss_of: Callable[[Any], Tensor]
    ) -> Iterator[tuple[float, AbstractContextManager[Any]]]:
        """Yield the weight and the context of each condition."""
        self._count += 1

        def loss_at(changed: Any, other: nn.Module | None = None) -> Tensor:
            return loss_of(self.from_start(model if other is None else other, changed))

        for number, condition in enumerate(self.conditions or ()):
            # Each pass of an update has random numbers of its own.
            generator = generator_of(*self._key, self._count, number)
            yield (
                condition.weight,
                condition.perturbation.around(model, inputs, loss_at, generator),
            )

    def from_start(self, model: nn.Module, inputs: Any) -> Any:
        """Return a model's outputs in single precision from the initial state."""
        outputs, _ = self._run(model, inputs, None)
        return outputs

    def _run(self, model: nn.Module, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Return outputs in single precision and the following state; both states may be None."""
        if not self.task.carries_state:
            return single_precision(model(inputs)), None

        if state is None:
            first = next(tensors_in(inputs))
            state = self.task.initial_state(len(first), first.device)

        outputs, following = self.task.forward(model, inputs, state)
        return single_precision(outputs), following

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


def moved_inputs(inputs: Any, device: torch.device) -> Any:
    """Return inputs on a device, images in channels-last memory format.

    Args:
        inputs: Tensor, or a tuple or dictionary of tensors for models of several inputs.
        device: Device of the model.
    """
    return mapped(inputs, lambda tensor: _moved(tensor, device))


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    # Other data than images, of a user's model.
    if tensor.ndim != 4:
        return tensor.to(device, non_blocking=True)
    return tensor.to(device, non_blocking=True, memory_format=torch.channels_last)


def single_precision(outputs: Any) -> Any:
    """Return outputs with their tensors in single precision, in which losses are computed."""
    return mapped(outputs, Tensor.float)
