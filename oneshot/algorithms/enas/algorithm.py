"""ENAS: a controller samples paths and learns from their accuracy (arXiv 1802.03268)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.enas.child import AuxiliaryClassifier, features_dropped, restarted_fraction
from oneshot.algorithms.enas.controller import surrogate
from oneshot.algorithms.enas.mutator import EnasMutator
from oneshot.algorithms.enas.options import PAPER, RECIPE, RELEASE, EnasOptions
from oneshot.algorithms.gradient import weights_sgd
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.algorithms.sampled import SampledAlgorithm, final_batches, rewards
from oneshot.data.split import Batch

if TYPE_CHECKING:
    from oneshot.run_settings import RunSettings
    from oneshot.training.engine import Engine


@register_algorithm("enas")
class Enas(SampledAlgorithm[EnasMutator]):
    """Trains weights on sampled paths and, after each epoch, the controller on held-out accuracy.

    Args:
        setting: Model, images and costs.
        options: Options of ENAS.
    """

    presets: ClassVar[dict[str, Preset]] = {
        # Our own, with the numbers of the release.
        "default": Preset(EnasOptions(), RECIPE),
        "release": Preset(RELEASE, RECIPE),
        "paper": Preset(PAPER, RECIPE),
        "ppo": Preset(EnasOptions(ppo_clip=0.2), RECIPE),
    }

    options: EnasOptions

    @classmethod
    def earlier_options(cls, settings: RunSettings) -> dict[str, Any]:
        """Return the options of runs that were recorded before the options existed."""
        return {"batch_per_path": False, "layers": 1, "prior": False}

    def __init__(self, setting: Setting, options: EnasOptions):
        super().__init__(setting, EnasMutator(setting.model, options, setting.seed))
        self.options = options
        self._adam: torch.optim.Adam | None = None
        self.baseline: float | None = 0.0 if options.zero_baseline else None
        self.auxiliary: AuxiliaryClassifier | None = None
        if options.auxiliary:
            self.auxiliary = AuxiliaryClassifier(setting.model, setting.seed)

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return the weights' SGD and the controller's Adam, for a training of `steps` updates."""
        self.steps = steps
        options = self.options

        self.check_schedules(steps)

        # The first beta of 0 is that of the release: no momentum.
        self._adam = adam = torch.optim.Adam(
            self.drawing.controller.parameters(),
            lr=options.controller_learning_rate,
            betas=(0.0, 0.999),
            eps=options.controller_epsilon,
        )
        weights, schedule = weights_sgd(self, options.least_learning_rate, steps)
        if options.restart_epochs:
            schedule = self._restarts(weights)
        return [(weights, schedule), (adam, None)]

    def follow_options(self) -> None:
        """Set learning rate and epsilon of the controller's Adam, and its temperature."""
        for group in self._adam.param_groups if self._adam is not None else ():
            group["lr"] = self.options.controller_learning_rate
            group["eps"] = self.options.controller_epsilon
        self.drawing.controller.temperature = self.options.temperature

    def _restarts(self, optimizer: Optimizer) -> LRScheduler:
        """Return the cosine schedule with restarts, down to the option's least learning rate."""
        options = self.options
        steps_per_epoch = self.setting.steps_per_epoch
        floor = min(1.0, options.least_learning_rate / self.recipe.learning_rate)

        def factor(step: int) -> float:
            epoch = step // steps_per_epoch
            fraction = restarted_fraction(epoch, options.restart_epochs, options.restart_factor)
            return floor + (1 - floor) * fraction

        return LambdaLR(optimizer, factor)

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights, and after an epoch the controller; at the end select the best."""
        self.note_rank(engine)
        with features_dropped(self.model, self.options.keep):
            self._step(batches, step, engine)

    def _step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:

        # Every batch runs another sampled path.
        for inputs, targets in batches:
            self.drawing.reset()
            with engine.autocast():
                loss = self.loss(inputs, targets, step, engine)
            engine.backward(loss / len(batches))
        engine.update()

        done = step + 1
        steps = self.options.controller_steps
        # Rounded up: a training may end within an epoch.
        epochs = -(-done // self.setting.steps_per_epoch)
        at_the_end = done % self.setting.steps_per_epoch == 0 or done == self.steps
        if at_the_end and epochs > self.options.controller_warmup:
            for number in range((epochs - 1) * steps, epochs * steps):
                self.controller_step(number, engine)

        if done == self.steps:
            self.choose(epochs * steps, engine)

    def loss(self, inputs: Tensor, targets: Any, step: int, engine: Engine) -> Tensor:
        """Return the loss of a batch, with that of the auxiliary classifier where there is one."""
        if self.auxiliary is None:
            return super().loss(inputs, targets, step, engine)

        with self.auxiliary.captured() as features:
            loss = super().loss(inputs, targets, step, engine)
        # The last pass is that of the loss.
        scores = self.auxiliary(features[-1])
        return loss + self.options.auxiliary * self.task.loss(scores, targets, 0.0)

    def controller_step(self, number: int, engine: Engine) -> None:
        """Update the controller, with the accuracies of sampled architectures as rewards.

        Args:
            number: Number of the held-out batch.
            engine: Engine of the training.
        """
        options = self.options
        controller = self.drawing.controller

        with torch.no_grad():
            decisions = controller(options.aggregate, self.drawing.generator)
        accuracy = self._accuracies(decisions.codes.tolist(), number, engine).to(decisions.entropy)
        reward = accuracy + options.entropy_weight * decisions.entropy

        # Each reward moves the baseline before its advantage is computed.
        advantages = []
        for value in reward.tolist():
            # The first reward starts the average: from 0 it would converge over hundreds of them.
            previous = value if self.baseline is None else self.baseline
            self.baseline = previous + (1 - options.baseline_decay) * (value - previous)
            advantages.append(value - self.baseline)

        # REINFORCE is unbiased for one update only; PPO's clip allows several.
        clip = options.ppo_clip or None
        for _ in range(1 if clip is None else options.ppo_epochs):
            now = controller.judged(decisions.codes).log_probability
            engine.backward(
                surrogate(now, decisions.log_probability, now.new_tensor(advantages), clip)
            )
            engine.update(1)

    def _accuracies(self, codes: list[list[int]], number: int, engine: Engine) -> Tensor:
        """Return the held-out accuracies [n] of the architectures of an update of the controller.

        Args:
            codes: Codes of the architectures.
            number: Number of the update over the training.
            engine: Engine of the training.
        """
        if not self.options.batch_per_path:
            return rewards(self, codes, [number], engine)

        first = number * self.options.aggregate
        return torch.cat(
            [rewards(self, [row], [first + index], engine) for index, row in enumerate(codes)]
        )

    def choose(self, number: int, engine: Engine) -> None:
        """Store the best on held-out images of sampled architectures and the most probable one.

        Args:
            number: Number of the held-out batch on which they are compared, unless the option
                `final_images` sets another number of images.
            engine: Engine of the training.
        """
        with torch.no_grad():
            controller = self.drawing.controller
            samples = controller(self.options.final_samples, self.drawing.generator).codes
            rows = torch.cat([controller(1).codes, samples]).tolist()

        # The dictionary removes duplicates and keeps the order.
        allowed = self.allowed(dict.fromkeys(map(tuple, rows)))
        if allowed:
            images = self.options.final_images
            numbers = final_batches(self, images) if images else [number]
            self.drawing.settle(allowed[int(rewards(self, allowed, numbers, engine).argmax())])

    def state_dict(self) -> dict[str, Any]:
        """Return the controller, the final architecture and the baseline."""
        return {**super().state_dict(), "baseline": self.baseline}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        super().load_state_dict(state)
        self.baseline = state["baseline"]
