"""The algorithm that retrains one network with regularisation."""

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
    """Trains with mixup, drop-path, an auxiliary head and averaged weights, each optional.

    Args:
        model: Maps images [b, ...] to logits [b, classes]. In training it may return a pair, whose
            second element is the logits of an auxiliary head.
        recipe: Recipe of the optimiser.
        options: Regularisation.

    Raises:
        InvalidOption: The network has no paths to drop.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, options: RetrainOptions):
        super().__init__(model, recipe)
        self.options = options
        self.steps = 1
        if options.drop_path and not (isinstance(model, CellNetwork) and model.has_edges):
            raise InvalidOption(
                "drop_path is for networks of cells with operations on their edges; this one has"
                " none"
            )
        self.average = MovingAverage(model, options.ema) if options.ema else None

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return the recipe's optimisers, and remember the length of the training."""
        self.steps = steps
        return super().optimizers(steps)

    def before_step(self, step: int) -> None:
        """Set the probability of drop-path, which rises linearly from 0."""
        if isinstance(self.model, CellNetwork):
            self.model.drop_path = self.options.drop_path * step / self.steps

    def loss(self, images: Tensor, labels: Tensor, step: int, engine: Engine) -> Tensor:
        """Return the loss of a mixed batch, plus the weighted loss of the auxiliary head."""
        mixed = mixup(images, labels, self.options.mixup)
        outputs = self.model(mixed.images)
        logits, auxiliary = outputs if isinstance(outputs, tuple) else (outputs, None)

        # The loss is computed in fp32, whatever the precision of the network.
        logits = logits.float()
        loss = mixed.loss(logits, self.recipe.label_smoothing)

        # Reports show the loss without the auxiliary head, which the final network lacks. A mixed
        # image counts as correct where its dominant label is predicted.
        engine.note(loss, logits, labels if mixed.weight >= 0.5 else mixed.others)
        if auxiliary is not None and self.options.auxiliary:
            loss = loss + self.options.auxiliary * mixed.loss(
                auxiliary.float(), self.recipe.label_smoothing
            )
        return loss

    def after_step(self, step: int) -> None:
        """Update the moving average."""
        if self.average is not None:
            self.average.follow(self.model)

    def deliver(self) -> nn.Module:
        """Return the model with its final weights, which are the averages where there are any."""
        if self.average is not None:
            self.average.give_to(self.model)
        return self.model

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the moving average."""
        return {} if self.average is None else {"average": self.average.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state that `state_dict` returned."""
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def to(self, device: Any) -> None:
        """Move the averages to a device."""
        if self.average is not None:
            self.average.to(device)
