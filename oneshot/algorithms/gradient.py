"""GradientAlgorithm: base of the algorithms that train logits by Adam next to the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.batch_statistics import untracked
from oneshot.algorithms.curvature import largest_eigenvalue
from oneshot.algorithms.decoding import most_probable
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.search.constraint import Constraint
from oneshot.training.optimisation import make_optimizer
from spaces.choice import Choice
from spaces.modules.sized import SizedLayer

if TYPE_CHECKING:
    from oneshot.run_settings import RunSettings
    from oneshot.training.engine import Engine
    from spaces.space import SearchSpace


@dataclass(frozen=True)
class GradientOptions:
    """Options of the logits' training.

    The defaults are those of DARTS (quark0/darts, cnn/architect.py).

    Args:
        arch_learning_rate: Learning rate of the logits' Adam.
        arch_betas: Decay rates of the two moments of the logits' Adam.
        arch_weight_decay: Weight decay of the logits' Adam.
        arch_clip: Maximum norm of the logits' gradient; 0: it is not clipped, as in the releases of
            DARTS, GDAS and SNAS, which clip the weights' gradient alone.
        arch_every: Number of updates of the weights per update of the logits.
        arch_warmup: Number of first epochs in which only the weights are trained.
        arch_init: Standard deviation of the initial logits.
        least_learning_rate: Learning rate of the weights at the end of its schedule.
        hessian_every: Number of epochs after which the largest eigenvalue of the held-out loss's
            Hessian in the logits is logged; 0: never. With several processes it is that of the
            first one's images.
    """

    read_once: ClassVar[frozenset[str]] = frozenset({"arch_init", "least_learning_rate"})

    arch_learning_rate: float = 3e-4
    arch_betas: tuple[float, float] = (0.5, 0.999)
    arch_weight_decay: float = 1e-3
    arch_clip: float = 0.0
    arch_every: int = 1
    arch_warmup: int = 0
    arch_init: float = 1e-3
    least_learning_rate: float = 0.0
    hessian_every: int = 0

    def __post_init__(self) -> None:
        for name in ("arch_learning_rate", "arch_every"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} must be positive, not {getattr(self, name)}")

        for name in (
            "arch_weight_decay",
            "arch_clip",
            "arch_warmup",
            "arch_init",
            "least_learning_rate",
            "hessian_every",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} must be at least 0, not {getattr(self, name)}")

        if len(self.arch_betas) != 2 or not all(0 <= beta < 1 for beta in self.arch_betas):
            raise InvalidOption(f"arch_betas must be two numbers in [0, 1), not {self.arch_betas}")


class GradientAlgorithm(ArchitectureAlgorithm):
    """Updates the logits on held-out images and the weights on training images, in turns.

    Args:
        setting: Model, images and costs.
        options: Options of the logits' training.
        mutator: Mutator that is bound to the model and has the logits.
    """

    options: GradientOptions
    searches_published_network: ClassVar[bool] = False
    """Whether the publication searches in another network than it trains afterwards."""

    @classmethod
    def search_space(cls, space: SearchSpace, options: Any) -> SearchSpace:
        """Return the space of the published search network, where the publication has one."""
        return space.search_space if cls.searches_published_network else space

    def __init__(self, setting: Setting, options: GradientOptions, mutator: ArchitectureMutator):
        # Before anything is written: a mixture of candidates is no size.
        if any(isinstance(part, SizedLayer) and part.sizes for part in setting.model.modules()):
            raise InvalidOption(
                "space: sizes that follow from a ValueChoice need one decision, so that algorithms"
                " which mix candidates cannot search them; train by spos"
            )
        super().__init__(setting, mutator)
        self.options = options
        self._adam: torch.optim.Adam | None = None
        self.eigenvalue: float | None = None

    @classmethod
    def earlier_options(cls, settings: RunSettings) -> dict[str, Any]:
        """Return the options of runs that were recorded before the options existed."""
        # The bound of the weights' gradient was that of the logits' gradient as well.
        return {"arch_clip": settings.recipe.clip or 0.0}

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return the weights' SGD and the logits' Adam, for a training of `steps` updates."""
        self.steps = steps
        options = self.options

        self.check_schedules(steps)

        # A constant learning rate, as in DARTS, unless the option has a schedule.
        self._adam = adam = torch.optim.Adam(
            self.mutator.arch_parameters(),
            lr=options.arch_learning_rate,
            betas=options.arch_betas,
            weight_decay=options.arch_weight_decay,
        )
        return [weights_sgd(self, options.least_learning_rate, steps), (adam, None)]

    def follow_options(self) -> None:
        """Set learning rate and decay of the logits' Adam."""
        for group in self._adam.param_groups if self._adam is not None else ():
            group["lr"] = self.options.arch_learning_rate
            group["weight_decay"] = self.options.arch_weight_decay

    def share(self, step: int) -> float:
        """Return the fraction of the training that is done before update `step`."""
        return step / max(1, self.steps or 1)

    def searches(self, step: int) -> bool:
        """Return whether the logits are updated before the weights in update `step`."""
        return (
            step // self.setting.steps_per_epoch >= self.options.arch_warmup
            and step % self.options.arch_every == 0
        )

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the logits where they are due, then the weights."""
        self.note_rank(engine)

        # The architecture first, as in DARTS, algorithm 1.
        if self.searches(step):
            self.mutator.arch_requires_grad()
            self.architecture_step(batches, step, engine)

        # Training images must not move the logits.
        self.mutator.arch_disable_grad()
        for inputs, targets in batches:
            self.mutator.reset()
            with engine.autocast():
                loss = self.loss(inputs, targets, step, engine)
            engine.backward(loss / len(batches))
        engine.update()
        self.watch_curvature(step, engine)

    def watch_curvature(self, step: int, engine: Engine) -> None:
        """Compute the largest eigenvalue of the Hessian where it is due after update `step`."""
        epochs, updates = divmod(step + 1, self.setting.steps_per_epoch)
        every = self.options.hessian_every
        self.eigenvalue = None
        if not every or updates or epochs % every or engine.fabric.global_rank:
            return

        inputs, targets = self.held_out_batch(step // self.options.arch_every, engine)
        generator = torch.Generator().manual_seed(step)
        self.mutator.arch_requires_grad()
        with self.weights_frozen(), untracked(self.model):
            self.mutator.reset()
            loss = self.architecture_loss(inputs, targets)
            self.eigenvalue = largest_eigenvalue(loss, self.mutator.arch_parameters(), generator)
        self.mutator.arch_disable_grad()

    def report(self) -> dict[str, Any]:
        """Return the report of the base, with the largest eigenvalue where it was computed."""
        report = super().report()
        if self.eigenvalue is not None:
            report["hessian_eigenvalue"] = self.eigenvalue
        return report

    def state_dict(self) -> dict[str, Any]:
        """Return the mutator's state, and the latest eigenvalue."""
        return {**super().state_dict(), "eigenvalue": self.eigenvalue}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        super().load_state_dict(state)
        # Checkpoints of earlier versions have none.
        self.eigenvalue = state.get("eigenvalue")

    def architecture_step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the logits by the gradient of the held-out loss."""
        # Batches are counted by updates of the logits, so that none is skipped.
        inputs, targets = self.held_out_batch(step // self.options.arch_every, engine)

        with self.weights_frozen():
            self.mutator.reset()
            with engine.autocast():
                loss = self.architecture_loss(inputs, targets)
            engine.backward(loss)
        self.update_logits(engine)

    def update_logits(self, engine: Engine) -> None:
        """Step the logits' optimizer on the gradients that a backward pass has left."""
        engine.update(1, clip=self.options.arch_clip or None)

    def architecture_loss(self, inputs: Tensor, targets: Any) -> Tensor:
        """Return the loss of the logits: the task's loss of held-out images.

        Args:
            inputs: Held-out inputs [b, ...].
            targets: Their targets [b].
        """
        return self.passes.held_out(
            self.model, inputs, lambda outputs: self.task.loss(outputs, targets)
        )

    def codes(self) -> dict[str, int]:
        """Return the most probable architecture that meets the constraint, if there is one."""
        constraint = self.setting.constraint
        return (
            super().codes()
            if constraint is None
            else within(constraint, self.mutator, self.setting.seed)
        )


def weights_sgd(
    algorithm: ArchitectureAlgorithm, least: float, steps: int
) -> tuple[Optimizer, LRScheduler]:
    """Return the recipe's SGD for the weights, with a learning rate that falls to `least`.

    Args:
        algorithm: Algorithm whose model and recipe are used.
        least: Learning rate at the end of the training; the recipe's schedule ends at 0.
        steps: Number of updates of the training.
    """
    optimizer, schedule = make_optimizer(algorithm.model, algorithm.recipe, steps)
    recipe = algorithm.recipe
    floor = min(1.0, least / algorithm.recipe.learning_rate)
    if not floor:
        return optimizer, schedule

    # The recipe's schedule from 1 to 0, mapped to 1 to `floor`.
    return optimizer, LambdaLR(
        optimizer, lambda step: floor + (1 - floor) * recipe.rate_fraction(step, steps)
    )


def within(constraint: Constraint, mutator: Rated, seed: int) -> dict[str, int]:
    """Return the most probable architecture that meets a constraint, as key -> code.

    Args:
        constraint: Constraint on the architecture's cost.
        mutator: Mutator whose probabilities are maximised.
        seed: Seed of the sample that is compared where no exact method applies.

    Raises:
        Infeasible: No architecture was found that meets the constraint.
    """
    choices = constraint.model.space.choices
    with torch.no_grad():
        # The clamp keeps the logarithm of a probability of 0 finite.
        logs = [
            row.double().clamp_min(1e-300).log().cpu().numpy()
            for row in mutator.probabilities(choices)
        ]

    codes = most_probable(logs, constraint, seed=seed)
    return {choice.key: int(code) for choice, code in zip(choices, codes.tolist(), strict=True)}


class Rated(Protocol):
    """Mutator that has a probability for every candidate."""

    def probabilities(self, choices: Iterable[Choice] | None = None) -> list[Tensor]:
        """Return the probabilities of each choice; see `ArchitectureMutator.probabilities`."""
