"""ProxylessNAS (Cai et al., ICLR 2019, arXiv 1812.00332).

Weights train on single paths, logits by binary gates, and hardware costs are part of the loss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.decoding import most_probable
from oneshot.algorithms.hardware import (
    AddLinear,
    Lagrange,
    MultiplyLog,
    MultiplyPower,
    hardware_term,
)
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.proxyless.mutator import ProxylessMutator
from oneshot.algorithms.proxyless.options import PAPER_RECIPE, ProxylessOptions
from oneshot.algorithms.registry import register_algorithm
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.training.optimisation import make_optimizer
from oneshot.training.recipe import SMALL, Recipe
from spaces.errors import NotAdditive
from tables.cost.model import CostModel

if TYPE_CHECKING:
    from oneshot.run_settings import RunSettings
    from oneshot.training.engine import Engine


@register_algorithm("proxyless")
class Proxyless(ArchitectureAlgorithm):
    """ProxylessNAS: trains weights on single paths and logits on held-out images.

    The logits learn after a warm-up, once every few updates of the weights. With a cost in the
    setting the loss has a hardware term. With a constraint the term is a Lagrange multiplier, and
    the returned architecture is the most probable one that meets the constraint
    (`oneshot.algorithms.decoding`).

    Args:
        setting: Model, data and targets of the training.
        options: Options of the algorithm.

    Raises:
        InvalidOption: The options do not suit the setting.
        NotAdditive: Costs of the space have no gradient (`learning=reinforce` needs none).
    """

    presets: ClassVar[dict[str, Preset]] = {
        # A short training has few updates of the logits, which must therefore be larger.
        "default": Preset(ProxylessOptions(arch_optim_lr=0.03), SMALL),
        "paper": Preset(
            ProxylessOptions(warmup_epochs=40, warmup_learning_rate=0.05), PAPER_RECIPE
        ),
        # The paper's recipe with NNI's numbers of epochs.
        "nni": Preset(
            ProxylessOptions(warmup_epochs=25, warmup_learning_rate=0.05),
            dataclasses.replace(PAPER_RECIPE, epochs=145),
        ),
    }
    affine_supernet = True
    mutator: ProxylessMutator
    options: ProxylessOptions

    def __init__(self, setting: Setting, options: ProxylessOptions):
        self.options = options
        self.cost, self.term = _term(setting, options)
        mutator = ProxylessMutator(
            setting.model,
            options.binary_mode,
            init_type=options.arch_init_type,
            init_ratio=options.arch_init_ratio,
            seed=setting.seed,
        )

        # The base class reports the cost of the setting; a constraint's cost is reported likewise.
        if self.cost is not None:
            setting = dataclasses.replace(setting, cost=self.cost)
        super().__init__(setting, mutator)

        # Moving average of rewards (`reinforce`); None before the first update.
        self.baseline: float | None = None
        self._adam: torch.optim.Adam | None = None

    @classmethod
    def earlier_options(cls, settings: RunSettings) -> dict[str, Any]:
        """Return the options of runs that were recorded before the options existed."""
        # Both steps had the smoothing of the weights.
        return {"arch_label_smoothing": settings.recipe.label_smoothing}

    # Schedule

    def warmup(self, steps: int) -> int:
        """Return the number of updates of the warm-up.

        Args:
            steps: Number of updates of the training.

        Raises:
            InvalidOption: The warm-up leaves no updates for the architecture.
        """
        epochs = self.options.warmup_epochs
        steps_per_epoch = self.setting.steps_per_epoch

        # By default a quarter of the training, rounded down to complete epochs.
        count = (
            steps // 4 // steps_per_epoch * steps_per_epoch
            if epochs is None
            else int(epochs) * steps_per_epoch
        )
        if count >= steps:
            raise InvalidOption(
                f"warmup_epochs must leave epochs for the architecture; {epochs} of"
                f" {steps // steps_per_epoch} do not"
            )
        return count

    def first(self, steps: int) -> int:
        """Return the first update after which the architecture may learn.

        This is one epoch after the warm-up, or its end if no second epoch follows.
        """
        warmup = self.warmup(steps)
        steps_per_epoch = self.setting.steps_per_epoch
        return warmup + steps_per_epoch if warmup + steps_per_epoch < steps else warmup

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return the optimizers of the weights and of the logits.

        The weights have SGD, whose schedule restarts after the warm-up; the logits have Adam.
        """
        # `due` needs the length of the training later.
        self.steps = steps
        self.check_schedules(steps)
        weights, _ = make_optimizer(self.model, self.recipe, steps)
        self._adam = adam = torch.optim.Adam(self.mutator.arch_parameters(), **self.options.adam)
        return [(weights, LambdaLR(weights, self.rate_fraction(steps))), (adam, None)]

    def follow_options(self) -> None:
        """Set the logits' Adam by the options."""
        for group in self._adam.param_groups if self._adam is not None else ():
            group.update(self.options.adam)

    def rate_fraction(self, steps: int) -> Callable[[int], float]:
        """Return the weights' learning rate by update, as a fraction of the recipe's rate."""
        rate = self.options.warmup_learning_rate
        factor = 2.0 if rate is None else rate / self.recipe.learning_rate
        recipe = self.recipe
        warmup = self.warmup(steps)
        # A function rather than an object, whose attributes LambdaLR would add to checkpoints.
        return lambda step: _share(recipe, warmup, steps, factor, step)

    def due(self, step: int) -> bool:
        """Return whether the architecture learns after update `step`."""
        assert self.steps is not None
        every = self.options.grad_update_arch_param_every
        return step >= self.first(self.steps) and (step + 1) % every == 0

    # Steps

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights on a sampled path, then the logits if they are due."""
        self.note_rank(engine)
        self.mutator.reset()
        super().step(batches, step, engine)

        if self.due(step):
            every = self.options.grad_update_arch_param_every
            # Architecture steps are numbered consecutively, so that held-out batches take turns.
            for index in range(self.options.grad_update_steps):
                self.architecture_step(
                    step // every * self.options.grad_update_steps + index, engine
                )

    def architecture_step(self, number: int, engine: Engine) -> None:
        """Update the logits on one held-out batch.

        Args:
            number: Index of the architecture step, which selects the batch.
            engine: Engine of the training.
        """
        inputs, targets = self.held_out_batch(number, engine)
        self.mutator.before_update()
        with self.weights_frozen():
            if self.options.learning == "reinforce":
                self._reinforce(inputs, targets, engine)
            else:
                self._gradient(inputs, targets, engine)

        # Release the gates and their graph.
        self.mutator.reset()

        # The multiplier follows the expected cost of the updated logits; `_reinforce` has followed
        # the costs of its sampled paths.
        if isinstance(self.term, Lagrange) and self.options.learning == "gradient":
            with torch.no_grad():
                self.term.follow(self._expected(self.mutator.probabilities(self._choices)))

    def _gradient(self, inputs: Tensor, targets: Any, engine: Engine) -> None:
        """Update the logits by the gradients of binary gates (section 3.2, equation 4)."""
        self.mutator.reset_binary_gates()
        with engine.autocast():
            smoothing = self.options.arch_label_smoothing
            loss = self.passes.held_out(
                self.model, inputs, lambda outputs: self.task.loss(outputs, targets, smoothing)
            )

        # The hardware term is differentiable in the expected cost (section 3.3.1).
        if self.term is not None:
            probabilities = self.mutator.gate_probabilities(
                [choice.key for choice in self._choices]
            )
            loss = self.term(loss, self._expected(probabilities))

        engine.backward(loss)
        engine.update(1)
        self.mutator.after_update()

    def _reinforce(self, inputs: Tensor, targets: Any, engine: Engine) -> None:
        """Update the logits by REINFORCE with a moving average as baseline (section 3.3.2)."""
        paths = []
        rewards = []
        costs = []
        for _ in range(self.options.reward_paths):
            self.mutator.reset()
            paths.append(dict(self.mutator.active))

            # Rewards need no gradient: only the log-probabilities are differentiated.
            with torch.no_grad(), engine.autocast():
                values = self.passes.held_out(
                    self.model, inputs, lambda outputs: self.task.rewards(outputs, targets)
                )
                mean_reward = values.float().mean()
            cost = self._cost_of(paths[-1])
            costs.append(cost)
            rewards.append(mean_reward * self._reward_factor(cost))

        reward = torch.stack(rewards)
        # Each rank has different images: all use the mean, and so keep the same baseline.
        if engine.ranks > 1:
            torch.distributed.all_reduce(reward)
            reward = reward / engine.ranks

        # Augmented Lagrangian, as a penalty on the reward: lambda * e + rho / 2 * e^2 for the
        # relative excess e of the cost over the limit.
        if isinstance(self.term, Lagrange):
            excess = (reward.new_tensor(costs) - self.term.limit) / self.term.limit
            reward = reward - self.term.multiplier * excess - self.term.square / 2 * excess**2
            self.term.follow(torch.tensor(sum(costs) / len(costs)))

        # The baseline reduces the variance of the gradient and leaves its mean unchanged. It is
        # nearly the last mean: the release has baseline += 0.99 (mean - baseline).
        mean = float(reward.mean())
        decay = self.options.baseline_decay
        self.baseline = (
            mean if self.baseline is None else decay * self.baseline + (1 - decay) * mean
        )

        # Gradient of the expected reward: mean of (R - baseline) * grad log p(path).
        log_probabilities = torch.stack([self.mutator.log_probability(path) for path in paths])
        engine.backward(-((reward - self.baseline) * log_probabilities).mean())
        engine.update(1)

    def _reward_factor(self, cost: float) -> float:
        """Return the factor (reference / cost)^exponent of the mean reward."""
        # A constraint acts through its multiplier, which is subtracted from the reward.
        if self.term is None or isinstance(self.term, Lagrange):
            return 1.0
        return float((self.term.reference / cost) ** self.options.reward_exponent)

    # Costs

    @property
    def _choices(self) -> Sequence[Any]:
        assert self.cost is not None
        return self.cost.space.choices

    def _expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        assert self.cost is not None
        return self.cost.expected(probabilities)

    def _cost_of(self, codes: dict[str, int]) -> float:
        """Return the cost of one architecture; 0 without a target."""
        if self.cost is None:
            return 0.0

        row = np.array([[codes[choice.key] for choice in self._choices]])
        return float(self.cost.estimate(row)[0])

    def codes(self) -> dict[str, int]:
        """Return the most probable architecture that meets the constraint, if one is set."""
        constraint = self.setting.constraint
        if constraint is None:
            return super().codes()

        # Keys in the order of the constraint's space, in double precision for the search.
        choices = constraint.model.space.choices
        with torch.no_grad():
            log_probabilities = [
                self.mutator.alpha[choice.key].double().log_softmax(0).cpu().numpy()
                for choice in choices
            ]
        codes = most_probable(log_probabilities, constraint, seed=self.setting.seed)
        return {choice.key: int(code) for choice, code in zip(choices, codes.tolist(), strict=True)}

    def report(self) -> dict[str, Any]:
        """Return the report of `ArchitectureAlgorithm` with the hardware term of the loss."""
        report = super().report()
        if self.term is not None:
            report["hardware"] = self.term.to_dict()
        if isinstance(self.term, Lagrange):
            report["multiplier"] = self.term.multiplier
        return report

    def state_dict(self) -> dict[str, Any]:
        """Return the mutator's state, the baseline and the multiplier."""
        multiplier = self.term.multiplier if isinstance(self.term, Lagrange) else None
        return {**super().state_dict(), "baseline": self.baseline, "multiplier": multiplier}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        super().load_state_dict(state)
        self.baseline = state["baseline"]
        if isinstance(self.term, Lagrange):
            self.term.multiplier = float(state["multiplier"])


def _share(recipe: Recipe, warmup: int, steps: int, factor: float, step: int) -> float:
    """Return the learning rate of a step as a fraction of the recipe's rate.

    The schedule runs once over the warm-up, scaled by a factor, and once over the other steps.

    Args:
        recipe: Recipe with the schedule.
        warmup: Number of updates of the warm-up.
        steps: Number of updates of the training.
        factor: Greatest rate of the warm-up as a multiple of the recipe's rate.
        step: Index of the update.
    """
    if step < warmup:
        return factor * recipe.rate_fraction(step, warmup)

    # Trained weights need no second linear rise of the rate.
    schedule = dataclasses.replace(recipe, warmup=0) if warmup else recipe
    return schedule.rate_fraction(step - warmup, steps - warmup)


def _term(
    setting: Setting, options: ProxylessOptions
) -> tuple[CostModel | None, MultiplyLog | AddLinear | MultiplyPower | Lagrange | None]:
    """Return the cost that the training aims at and the hardware term of the loss."""
    constraint = setting.constraint
    cost = setting.cost
    if constraint is not None:
        cost = constraint.model
        # The limit stays below the maximum by a margin in standard deviations of the cost model.
        limit = constraint.maximum - constraint.margin * (cost.sigma or 0.0)
        return cost, Lagrange(limit, cost.unit, options.multiplier_rate)

    if cost is None:
        if options.reference is not None:
            raise InvalidOption("reference: there is no target that it could be a cost of")
        return None, None

    try:
        return cost, hardware_term(
            options.form,
            cost,
            options.reference,
            alpha=options.log_alpha,
            beta=options.log_beta,
            weight=options.linear_weight,
            above=options.power_above,
            below=options.power_below,
        )
    except NotAdditive:
        if options.learning != "reinforce":
            raise
        # REINFORCE needs the reference alone: its reward evaluates costs without a gradient.
        if options.reference is None:
            raise InvalidOption(
                "reference: give one; the mean over all networks is not known here"
            ) from None
        return cost, AddLinear(options.reference, cost.unit)
