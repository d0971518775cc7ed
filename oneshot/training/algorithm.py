"""Algorithm: what is trained; subclasses are training algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.data.split import Batch
from oneshot.training.optimisation import sgd
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from oneshot.training.engine import Engine


class Algorithm:
    """A model that learns to classify images; what an algorithm does otherwise, it overrides.

    An algorithm is copied to every process of a distributed training, so it must be picklable. The
    random numbers of a step depend on the seed and the step's number alone: torch's global
    generators are seeded by them before every step, and other generators must be derived from
    them. State that a step keeps for later ones, outside the model and the optimizers, belongs in
    `state_dict`.

    Args:
        model: images [b, ...] -> logits [b, classes].
        recipe: of the optimiser.
    """

    def __init__(self, model: nn.Module, recipe: Recipe):
        self.model, self.recipe = model, recipe

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """The optimisers with their schedules, which move with every update (None: a constant
        rate).

        Called once the model is on its device.

        Args:
            steps: of the whole training.
        """
        return [sgd(self.model, self.recipe, steps)]

    def before_step(self, step: int) -> None:
        """Prepare update `step`, such as by drawing its path."""

    def path_digest(self, step: int, count: int) -> int | None:
        """A number of at most 62 bits that tells which paths are taken, so that all processes take
        the same.

        Args:
            step: the next update.
            count: updates, from the next one on, whose paths it should tell as far as they are
                known.

        Returns:
            None where there are no paths.
        """
        return None

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights once.

        Args:
            batches: whose gradients are averaged.
            step: the update's number.
            engine: runs backward passes and optimisers as devices and precision want it.
        """
        for images, labels in batches:
            with engine.autocast():
                loss = self.loss(images, labels, step, engine)
            engine.backward(loss / len(batches))
        engine.update()

    def loss(self, images: Tensor, labels: Tensor, step: int, engine: Engine) -> Tensor:
        """The loss of a batch: cross-entropy with the recipe's label smoothing.

        Args:
            images: [b, ...].
            labels: [b].
            step: the update's number.
            engine: is told the loss and the right answers (`engine.note`).
        """
        logits = self.model(images).float()
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        engine.note(loss, logits, labels)
        return loss

    def after_step(self, step: int) -> None:
        """Follow update `step`, such as by moving averages of weights."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the model and the optimisers: tensors and plain containers
        only.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""

    def to(self, device: Any) -> None:
        """Move tensors that the algorithm has beside the model."""
