"""NNI's supernet trainer as an algorithm of the training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.training.algorithm import Algorithm
from oneshot.training.engine import Engine
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from oneshot.nni.trainer import SPOSSupernetTrainer


class TrainerSteps(Algorithm):
    """Steps of a trainer: a new path per batch, validation and callbacks between epochs.

    Args:
        trainer: Has the model, the loss, the optimizer and the callbacks.
        validate: Whether an epoch ends with a validation.
    """

    def __init__(self, trainer: SPOSSupernetTrainer, validate: bool):
        # The loader builds the batches, so the training loop counts a batch as one image.
        super().__init__(trainer.model, Recipe(epochs=trainer.num_epochs, batch_size=1))
        self.trainer = trainer
        self.validates = validate
        self.steps_per_epoch = trainer.steps_per_epoch

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return the trainer's optimizer, without a schedule."""
        return [(self.trainer.optimizer, None)]

    def before_step(self, step: int) -> None:
        """Choose the path of a step, after the callbacks that precede it."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if index == 0:
            self.trainer.call("on_epoch_begin", epoch)
        self.trainer.call("on_batch_begin", epoch)

        # Sought, not counted: a resumed training begins at a later step.
        self.trainer.mutator.seek(step)
        self.trainer.mutator.reset()

    def loss(self, images: Tensor, labels: Tensor, step: int, engine: Engine) -> Tensor:
        """Return the loss of a batch, and log it."""
        logits = self.model(images)
        loss = self.trainer.loss(logits, labels)
        engine.note(loss)

        epoch, index = divmod(step, self.steps_per_epoch)
        self.trainer.log_step(epoch, index, logits, labels, loss)
        return loss

    def after_step(self, step: int) -> None:
        """Call the callbacks, after the last step of an epoch with its validation."""
        epoch, index = divmod(step, self.steps_per_epoch)
        self.trainer.call("on_batch_end", epoch)
        if index + 1 < self.steps_per_epoch:
            return

        if self.validates and self.trainer.valid_loader is not None:
            self.trainer.validate_one_epoch(epoch)
            # The validation leaves the model in evaluation mode.
            self.model.train()

        self.trainer.call("on_epoch_end", epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the mutator and of the callbacks that have one."""
        # Without a folder nothing is resumed, and callbacks may have states that cannot be saved.
        if self.trainer.folder is None:
            return {}
        callbacks = [
            callback.state_dict() if hasattr(callback, "state_dict") else None
            for callback in self.trainer.callbacks
        ]
        return {"mutator": self.trainer.mutator.state_dict(), "callbacks": callbacks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        # Checkpoints of earlier versions have neither.
        if "mutator" in state:
            self.trainer.mutator.load_state_dict(state["mutator"])
        for callback, value in zip(
            self.trainer.callbacks, state.get("callbacks", ()), strict=False
        ):
            if value is not None and hasattr(callback, "load_state_dict"):
                callback.load_state_dict(value)
