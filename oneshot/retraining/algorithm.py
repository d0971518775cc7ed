"""The algorithm that retrains one network with regularisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.evaluation.evaluator import quality
from oneshot.retraining.mixup import Mixed, mixup
from oneshot.retraining.moving_average import MovingAverage, TriggeredAverage
from oneshot.retraining.options import RetrainOptions
from oneshot.training.algorithm import Algorithm
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from spaces.modules.cells import CellNetwork

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.training.engine import Engine


class Retraining(Algorithm):
    """Trains with mixup, drop-path, an auxiliary head and averaged weights, each optional.

    Args:
        model: Maps images [b, ...] to outputs of the task. In training it may return a pair, whose
            second element is the outputs of an auxiliary head.
        recipe: Recipe of the optimiser.
        options: Regularisation.
        passes: Forward passes by the task; None: those of a classification.
        data: Data set, whose validation part triggers `average_after`; None: there is no such
            average.

    Raises:
        InvalidOption: The network has no paths to drop.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        options: RetrainOptions,
        passes: Passes | None = None,
        data: ImageData | None = None,
    ):
        super().__init__(model, recipe, passes)
        self.options = options
        self.data = data
        self.steps = 1
        if options.drop_path and not (isinstance(model, CellNetwork) and model.has_edges):
            raise InvalidOption(
                "drop_path is for networks of cells with operations on their edges; this one has"
                " none"
            )
        self.average: MovingAverage | None = None
        if options.ema:
            self.average = MovingAverage(model, options.ema)
        elif options.average_after:
            self.average = TriggeredAverage(model, options.average_after)

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return the recipe's optimisers, and remember the length of the training."""
        self.steps = steps
        return super().optimizers(steps)

    def before_step(self, step: int) -> None:
        """Set the probability of drop-path, which rises linearly from 0."""
        if isinstance(self.model, CellNetwork):
            self.model.drop_path = self.options.drop_path * step / self.steps

    def loss(self, inputs: Tensor, targets: Any, step: int, engine: Engine) -> Tensor:
        """Return the loss of a mixed batch, plus the weighted loss of the auxiliary head."""
        mixed = mixup(inputs, targets, self.options.mixup)
        losses, outputs = self.passes.loss(
            self.model, mixed.images, lambda outputs: self._losses(outputs, mixed)
        )
        loss, *auxiliary = losses.unbind()

        # Reports show the loss without the auxiliary head, which the final network lacks. A mixed
        # image counts as correct where its dominant label is predicted.
        dominant = targets if mixed.weight >= 0.5 else mixed.others
        engine.note(loss, self._by_head(outputs)[0], dominant)
        if auxiliary:
            loss = loss + self.options.auxiliary * auxiliary[0]
        return loss

    def _losses(self, outputs: Any, mixed: Mixed) -> Tensor:
        """Return the loss of the final head and, where it has a weight, of the auxiliary one."""
        main, auxiliary = self._by_head(outputs)
        heads = [main] if auxiliary is None else [main, auxiliary]
        smoothing = self.recipe.label_smoothing
        return torch.stack([mixed.loss(self.task, head, smoothing) for head in heads])

    def _by_head(self, outputs: Any) -> tuple[Any, Any]:
        """Return the outputs of the final head and of the auxiliary one; None: there is none."""
        # Outputs of a task, such as classes and boxes, may be a tuple without any auxiliary head.
        has_auxiliary = self.options.auxiliary or getattr(self.model, "has_auxiliary_head", False)
        if has_auxiliary and isinstance(outputs, tuple):
            main, auxiliary = outputs
            return main, auxiliary
        return outputs, None

    def rate_factor(self, batches: Sequence[Batch]) -> float:
        """Return the length of a text's window over the mean one, 1 for other data.

        A longer window has the gradient of more tokens (arXiv 1708.02182, section 5).
        """
        length = None if self.data is None else getattr(self.data.train, "length", None)
        if length is None:
            return 1.0
        tokens: int = sum(inputs.shape[1] for inputs, _ in batches)
        return tokens / (len(batches) * float(length))

    def after_step(self, step: int) -> None:
        """Update the average of the weights."""
        if self.average is None:
            return

        if self.average.needs_scores and self._ends_epoch(step):
            self.average.judge(self._validation_score())
        self.average.follow(self.model)

    def _ends_epoch(self, step: int) -> bool:
        assert self.data is not None, "average_after needs the data set"
        count = len(self.data.train)
        return (step + 1) % max(1, count // min(self.recipe.batch_size, count)) == 0

    def _validation_score(self) -> float:
        """Return the task's score on the validation part, lower is better."""
        assert self.data is not None
        metrics = quality(self.model, self.data.validation, task=self.task)
        self.model.train()
        score: float = metrics[self.task.score]
        # Of one direction: the average is triggered by scores that rise.
        return score if self.task.metrics[self.task.score].sign < 0 else -score

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
