"""Algorithm: the updates of a training, which subclasses define."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.data.split import Batch
from oneshot.training.optimisation import make_optimizer
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from oneshot.tasks.task import Task
    from oneshot.training.engine import Engine


class Algorithm:
    """Training of a model for a task; subclasses override the steps that differ.

    An algorithm is copied to every process of a distributed training, so it must be picklable. The
    random numbers of a step depend on the seed and the step's number alone: torch's global
    generators are seeded by them before every step, and other generators must be derived from
    them. State that a step keeps for later ones, outside the model and the optimizers, belongs in
    `state_dict`.

    Args:
        model: Model of inputs [b, ...] -> outputs of the task.
        recipe: Training of the weights.
        passes: Forward passes by the task; None: those of a classification.

    Example:
        >>> from torch import nn
        >>> from oneshot.training.recipe import Recipe
        >>> algorithm = Algorithm(nn.Linear(4, 2), Recipe(epochs=1))
        >>> [(optimizer, schedule)] = algorithm.optimizers(steps=10)
        >>> optimizer.param_groups[0]["lr"]
        0.1
    """

    def __init__(self, model: nn.Module, recipe: Recipe, passes: Passes | None = None):
        self.model = model
        self.recipe = recipe
        self.passes = passes or Passes()

    @property
    def task(self) -> Task:
        """Task that the model is trained for."""
        return self.passes.task

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return the optimizers with their schedules; None: a constant learning rate.

        Called once the model is on its device. A schedule advances with each update of its
        optimizer.

        Args:
            steps: Number of updates of the whole training.
        """
        return [make_optimizer(self.model, self.recipe, steps)]

    def before_step(self, step: int) -> None:
        """Prepare update `step`, for example by sampling its path."""

    def path_digest(self, step: int, count: int) -> int | None:
        """Return a digest of the next paths, by which processes check that they have the same.

        Args:
            step: Next update.
            count: Number of updates whose paths the digest should cover where they are known.

        Returns:
            Number of at most 62 bits; None: the algorithm has no paths.
        """
        return None

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights once.

        Args:
            batches: Batches whose gradients are averaged.
            step: Number of the update, from 0.
            engine: Engine that runs backward passes and optimizers.
        """
        for inputs, targets in batches:
            with engine.autocast():
                loss = self.loss(inputs, targets, step, engine)
            engine.backward(loss / len(batches))
        engine.update(rate_factor=self.rate_factor(batches))

    def rate_factor(self, batches: Sequence[Batch]) -> float:
        """Return the factor of the learning rate in an update on these batches."""
        return 1.0

    def loss(self, inputs: Tensor, targets: Any, step: int, engine: Engine) -> Tensor:
        """Return the task's loss of a batch, with the recipe's label smoothing.

        Args:
            inputs: Inputs [b, ...].
            targets: Targets of the task [b].
            step: Number of the update, from 0.
            engine: Engine that counts the loss and the task's metrics (`Engine.note`).
        """
        smoothing = self.recipe.label_smoothing
        loss, outputs = self.passes.loss(
            self.model, inputs, lambda outputs: self.task.loss(outputs, targets, smoothing)
        )
        engine.note(loss, outputs, targets)
        return loss

    def after_step(self, step: int) -> None:
        """Complete update `step`, for example by updating moving averages of weights."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state outside the model and the optimizers: tensors and plain containers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""

    def to(self, device: Any) -> None:
        """Move the algorithm's tensors other than the model's to a device."""
