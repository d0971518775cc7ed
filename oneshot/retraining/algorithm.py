"""Retraining: a network that is trained with the regularisation of a retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.errors import InvalidOption
from oneshot.retraining.mixup import mixup
from oneshot.retraining.moving_average import MovingAverage
from oneshot.retraining.options import RetrainOptions
from oneshot.training.algorithm import Algorithm
from oneshot.training.recipe import Recipe
from spaces.modules.cells import CellNetwork

if TYPE_CHECKING:
    from oneshot.training.engine import Engine


class Retraining(Algorithm):
    """Mixup, drop-path, an auxiliary head's loss, and a moving average of the weights, each where
    it is wanted.

    Args:
        model: images [b, ...] -> logits [b, classes]; while it trains it may return a pair, the
            second of which is an auxiliary head's logits.
        recipe: of the optimiser.
        options: what is wanted.

    Raises:
        InvalidOption: the network has no place for drop-path.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, options: RetrainOptions):
        super().__init__(model, recipe)
        self.options, self.steps = options, 1
        if options.drop_path and not (isinstance(model, CellNetwork) and model.has_edges):
            raise InvalidOption(
                "drop_path is for networks of cells with operations on their edges; this one has"
                " none"
            )
        self.average = MovingAverage(model, options.ema) if options.ema else None

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """The recipe's; the training's length is noted."""
        self.steps = steps
        return super().optimizers(steps)

    def before_step(self, step: int) -> None:
        """Set the chance of drop-path, which rises linearly from 0."""
        if isinstance(self.model, CellNetwork):
            self.model.drop_path = self.options.drop_path * step / self.steps

    def loss(self, images: Tensor, labels: Tensor, step: int, engine: Engine) -> Tensor:
        """The loss of a batch, mixed where that is wanted, plus the auxiliary head's."""
        mixed = mixup(images, labels, self.options.mixup)
        found = self.model(mixed.images)
        logits, auxiliary = found if isinstance(found, tuple) else (found, None)
        logits = logits.float()
        loss = mixed.loss(logits, self.recipe.label_smoothing)
        # Told is the loss of what is delivered; a mixed image counts as right where its larger part
        # is.
        engine.note(loss, logits, labels if mixed.share >= 0.5 else mixed.others)
        if auxiliary is not None and self.options.auxiliary:
            loss = loss + self.options.auxiliary * mixed.loss(
                auxiliary.float(), self.recipe.label_smoothing
            )
        return loss

    def after_step(self, step: int) -> None:
        """Move the average."""
        if self.average is not None:
            self.average.follow(self.model)

    def deliver(self) -> nn.Module:
        """The model with the weights that are delivered: their averages where these are kept."""
        if self.average is not None:
            self.average.give_to(self.model)
        return self.model

    def state_dict(self) -> dict[str, Any]:
        """The averages."""
        return {} if self.average is None else {"average": self.average.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def to(self, device: Any) -> None:
        """Move the averages."""
        if self.average is not None:
            self.average.to(device)
