"""Trainings of a compression: all widths together, and the network that is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.training.algorithm import Algorithm
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from spaces.modules.supernet import resized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oneshot.data.split import Batch
    from oneshot.training.engine import Engine
    from spaces.elastic.supernet import ElasticSupernet


class Distillation(Algorithm):
    """Fine-tuning of a network with the outputs of a teacher.

    The loss is (1 - weight) x task + weight x distillation (Hinton et al., arXiv 1503.02531); of a
    task whose teacher cannot replace the targets, such as detection, task + weight x distillation.

    Args:
        model: Network to train.
        teacher: Network in evaluation mode whose outputs are learned.
        recipe: Recipe of the optimiser.
        weight: Weight of the teacher's outputs, from 0 to 1.
        passes: Forward passes by the task; None: those of a classification.
        teacher_side: Side in pixels to which the teacher's images are resized, since a network
            knows objects at the size that it was trained with; None: it gets the model's images.

    Raises:
        InvalidOption: The task has no distillation.
    """

    def __init__(
        self,
        model: nn.Module,
        teacher: nn.Module,
        recipe: Recipe,
        weight: float,
        passes: Passes | None = None,
        teacher_side: int | None = None,
    ):
        super().__init__(model, recipe, passes)
        if weight and not self.task.distils:
            raise InvalidOption(
                f"distillation: the task {self.task.name} has none; set distillation to 0"
            )
        # In a list, so that the teacher's weights are not part of the training's.
        self._teacher = [teacher.eval()]
        self.weight = weight
        self.teacher_side = teacher_side

    def loss(self, inputs: Tensor, targets: Any, step: int, engine: Engine) -> Tensor:
        """Return the loss of a batch with the teacher's outputs."""
        soft = self._soft_targets(inputs, targets)
        smoothing = self.recipe.label_smoothing
        targets_weight = 1 - self.weight if self.task.distils_everything else 1.0

        def loss_of(outputs: Any) -> Tensor:
            loss = targets_weight * self.task.loss(outputs, targets, smoothing)
            if soft is not None:
                loss = loss + self.weight * self.task.distillation_loss(outputs, soft)
            return loss

        loss, outputs = self.passes.loss(self.model, inputs, loss_of)
        engine.note(loss, outputs, targets)
        return loss

    @torch.no_grad()
    def _soft_targets(self, inputs: Tensor, targets: Any) -> Any:
        # A task without distillation has no soft targets.
        if not self.weight:
            return None
        if self.teacher_side is not None:
            inputs = resized(inputs, self.teacher_side)
        return self.task.soft_targets(self.passes.from_start(self._teacher[0], inputs), targets)

    def to(self, device: Any) -> None:
        """Move the teacher to a device."""
        self._teacher[0].to(device)


class Sandwich(Distillation):
    """Training of all widths together by the sandwich rule.

    Each update adds the gradients of the original, of the smallest network and of random ones, all
    of which learn from the original as it was (Yu and Huang, arXiv 1903.05134).

    Args:
        supernet: Network that runs slices of its weights.
        teacher: The original network.
        recipe: Recipe of the optimiser.
        weight: Weight of the teacher's outputs, from 0 to 1.
        passes: Forward passes by the task; None: those of a classification.
        seed: Seed of the random networks.
        paths: Number of random networks in an update.
    """

    def __init__(
        self,
        supernet: ElasticSupernet,
        teacher: nn.Module,
        recipe: Recipe,
        weight: float,
        passes: Passes | None = None,
        seed: int = 0,
        paths: int = 2,
    ):
        super().__init__(supernet, teacher, recipe, weight, passes)
        self.supernet = supernet
        self.seed = seed
        self.paths = paths

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights by the gradients of several networks."""
        space = self.supernet.space
        # From the number of the step alone, so that a resumed training takes the same networks.
        rng = np.random.default_rng([self.seed, step])
        extremes = space.encode([space.original, space.smallest])
        rows = np.concatenate([extremes, space.sample(rng, self.paths)])

        for inputs, targets in batches:
            for row in rows:
                self.supernet.activate(row)
                with engine.autocast():
                    loss = self.loss(inputs, targets, step, engine)
                # Freed after each network, so that memory holds the activations of one.
                engine.backward(loss / len(batches) / len(rows))

        engine.update(rate_factor=self.rate_factor(batches))
