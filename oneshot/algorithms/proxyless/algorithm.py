"""ProxylessNAS (Cai et al., ICLR 2019, arXiv 1812.00332): single paths, binary gates, hardware in
the loss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.decoding import most_probable
from oneshot.algorithms.hardware import AddLinear, Lagrange, MultiplyLog, hardware_term
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.proxyless.mutator import ProxylessMutator
from oneshot.algorithms.proxyless.options import PAPER_RECIPE, ProxylessOptions
from oneshot.algorithms.registry import register_algorithm
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.training.optimisation import sgd
from oneshot.training.recipe import SMALL, Recipe
from spaces.errors import NotAdditive
from tables.cost.model import CostModel

if TYPE_CHECKING:
    from oneshot.training.engine import Engine


@register_algorithm("proxyless")
class Proxyless(ArchitectureAlgorithm):
    """Weights learn on single paths; after a warm-up the logits learn every few updates, on
    held-out images.

    With a cost in the setting the loss has a hardware term; with a constraint a Lagrange multiplier
    in its place, and the architecture that is returned is the most probable one that meets it
    (`oneshot.algorithms.decoding`).

    Args:
        setting: what is trained, on what.
        options: of the algorithm.

    Raises:
        InvalidOption: the options do not suit the setting.
        NotAdditive: costs of the space have no gradient (`learning=reinforce` needs none).
    """

    presets: ClassVar[dict[str, Preset]] = {
        # So few updates of logits need larger ones.
        "default": Preset(ProxylessOptions(arch_optim_lr=0.03), SMALL),
        "paper": Preset(
            ProxylessOptions(warmup_epochs=40, warmup_learning_rate=0.05), PAPER_RECIPE
        ),
        "nni": Preset(
            ProxylessOptions(warmup_epochs=25, warmup_learning_rate=0.05),
            dataclasses.replace(PAPER_RECIPE, epochs=145),
        ),
    }
    mutator: ProxylessMutator

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
        if self.cost is not None:
            setting = dataclasses.replace(setting, cost=self.cost)
        super().__init__(setting, mutator)
        self.baseline: float | None = None

    # Schedule

    def warmup(self, steps: int) -> int:
        """Updates of the warm-up; raises InvalidOption where it leaves none for the
        architecture.
        """
        asked, epoch = self.options.warmup_epochs, self.setting.steps_per_epoch
        count = steps // 4 // epoch * epoch if asked is None else int(asked) * epoch
        if count >= steps:
            raise InvalidOption(
                f"warmup_epochs must leave epochs for the architecture; {asked} of {steps // epoch}"
                " do not"
            )
        return count

    def first(self, steps: int) -> int:
        """The first update behind which the architecture may learn: an epoch after the warm-up, if
        there are two.
        """
        warmup, epoch = self.warmup(steps), self.setting.steps_per_epoch
        return warmup + epoch if warmup + epoch < steps else warmup

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """SGD of the weights, whose schedule begins anew behind the warm-up; Adam of the logits."""
        self.steps = steps
        weights, _ = sgd(self.model, self.recipe, steps)
        adam = torch.optim.Adam(
            self.mutator.arch_parameters(),
            lr=self.options.arch_optim_lr,
            betas=(self.options.arch_beta1, self.options.arch_beta2),
            weight_decay=self.options.arch_weight_decay,
        )
        return [(weights, LambdaLR(weights, self.rate_fraction(steps))), (adam, None)]

    def rate_fraction(self, steps: int) -> Callable[[int], float]:
        """The weights' learning rate by update, as a share of the recipe's."""
        rate = self.options.warmup_learning_rate
        factor = 2.0 if rate is None else rate / self.recipe.learning_rate
        recipe, warmup = self.recipe, self.warmup(steps)
        # A function, not an object: an object's attributes would be part of checkpoints.
        return lambda step: _share(recipe, warmup, steps, factor, step)

    def due(self, step: int) -> bool:
        """Whether the architecture learns behind update `step`."""
        assert self.steps is not None
        every = self.options.grad_update_arch_param_every
        return step >= self.first(self.steps) and (step + 1) % every == 0

    # Steps

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """An update of weights on a drawn path; where it is due, updates of logits behind it."""
        self.note_rank(engine)
        self.mutator.reset()
        super().step(batches, step, engine)
        if self.due(step):
            every = self.options.grad_update_arch_param_every
            for index in range(self.options.grad_update_steps):
                self.architecture_step(
                    step // every * self.options.grad_update_steps + index, engine
                )

    def architecture_step(self, number: int, engine: Engine) -> None:
        """Update the logits on the held-out batch `number`."""
        images, labels = self.held_out_batch(number, engine)
        self.mutator.before_update()
        with self.weights_frozen():
            if self.options.learning == "reinforce":
                self._reinforce(images, labels, engine)
            else:
                self._gradient(images, labels, engine)
        self.mutator.reset()
        if isinstance(self.term, Lagrange) and self.options.learning == "gradient":
            with torch.no_grad():
                self.term.follow(self._expected(self.mutator.probabilities(self._choices)))

    def _gradient(self, images: Tensor, labels: Tensor, engine: Engine) -> None:
        self.mutator.reset_binary_gates()
        with engine.autocast():
            logits = self.model(images).float()
            loss = functional.cross_entropy(
                logits, labels, label_smoothing=self.recipe.label_smoothing
            )
        if self.term is not None:
            probabilities = self.mutator.gate_probabilities(
                [choice.key for choice in self._choices]
            )
            loss = self.term(loss, self._expected(probabilities))
        engine.backward(loss)
        engine.update(1)
        self.mutator.after_update()

    def _reinforce(self, images: Tensor, labels: Tensor, engine: Engine) -> None:
        """Log-derivatives weighted by rewards above their moving average (the paper's section
        3.3.2).
        """
        paths, rewards, costs = [], [], []
        for _ in range(self.options.reward_paths):
            self.mutator.reset()
            paths.append(dict(self.mutator.active))
            with torch.no_grad(), engine.autocast():
                right = (self.model(images).argmax(1) == labels).float().mean()
            cost = self._cost_of(paths[-1])
            costs.append(cost)
            rewards.append(right * self._reward_factor(cost))
        found = torch.stack(rewards)
        if (
            engine.ranks > 1
        ):  # each rank saw its own images: all take the mean, and keep the same baseline
            torch.distributed.all_reduce(found)
            found = found / engine.ranks
        if isinstance(self.term, Lagrange):
            excess = (found.new_tensor(costs) - self.term.limit) / self.term.limit
            found = found - self.term.multiplier * excess - self.term.square / 2 * excess**2
            self.term.follow(torch.tensor(sum(costs) / len(costs)))
        mean = float(found.mean())
        decay = self.options.baseline_decay
        self.baseline = (
            mean if self.baseline is None else decay * self.baseline + (1 - decay) * mean
        )
        logs = torch.stack([self.mutator.log_probability(path) for path in paths])
        engine.backward(-((found - self.baseline) * logs).mean())
        engine.update(1)

    def _reward_factor(self, cost: float) -> float:
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
        if self.cost is None:
            return 0.0
        row = np.array([[codes[choice.key] for choice in self._choices]])
        return float(self.cost.estimate(row)[0])

    def codes(self) -> dict[str, int]:
        """The most probable architecture, of those that meet the constraint where there is one."""
        constraint = self.setting.constraint
        if constraint is None:
            return super().codes()
        choices = constraint.model.space.choices
        with torch.no_grad():
            logs = [
                self.mutator.alpha[choice.key].double().log_softmax(0).cpu().numpy()
                for choice in choices
            ]
        found = most_probable(logs, constraint, seed=self.setting.seed)
        return {choice.key: int(code) for choice, code in zip(choices, found.tolist(), strict=True)}

    def report(self) -> dict[str, Any]:
        """As of `ArchitectureAlgorithm`, with what the loss aims at."""
        found = super().report()
        if self.term is not None:
            found["hardware"] = self.term.to_dict()
        if isinstance(self.term, Lagrange):
            found["multiplier"] = self.term.multiplier
        return found

    def state_dict(self) -> dict[str, Any]:
        """The mutator's state, the baseline and the multiplier."""
        multiplier = self.term.multiplier if isinstance(self.term, Lagrange) else None
        return {**super().state_dict(), "baseline": self.baseline, "multiplier": multiplier}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        super().load_state_dict(state)
        self.baseline = state["baseline"]
        if isinstance(self.term, Lagrange):
            self.term.multiplier = float(state["multiplier"])


def _share(recipe: Recipe, warmup: int, steps: int, factor: float, step: int) -> float:
    """The learning rate of a step as a share of the recipe's: a fall of its own for the warm-up,
    then the recipe's.
    """
    if step < warmup:
        return factor * recipe.rate_fraction(step, warmup)
    plain = dataclasses.replace(recipe, warmup=0) if warmup else recipe
    return plain.rate_fraction(step - warmup, steps - warmup)


def _term(
    setting: Setting, options: ProxylessOptions
) -> tuple[CostModel | None, MultiplyLog | AddLinear | Lagrange | None]:
    """The cost that is trained for, and the loss's term."""
    constraint, cost = setting.constraint, setting.cost
    if constraint is not None:
        cost = constraint.model
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
        )
    except NotAdditive:
        if options.learning != "reinforce":
            raise
        if options.reference is None:
            raise InvalidOption(
                "reference: give one; the mean over all networks is not known here"
            ) from None
        return cost, AddLinear(options.reference, cost.unit)
