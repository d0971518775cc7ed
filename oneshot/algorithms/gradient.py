"""What algorithms have in common that train logits by Adam beside the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.decoding import most_probable
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.search.constraint import Constraint
from oneshot.training.optimisation import sgd
from spaces.choice import Choice

if TYPE_CHECKING:
    from oneshot.training.engine import Engine


@dataclass(frozen=True)
class GradientOptions:
    """Options of the logits' training; the defaults are those of DARTS (quark0/darts,
    cnn/architect.py).

    Args:
        arch_learning_rate: of Adam.
        arch_betas: of Adam.
        arch_weight_decay: of Adam.
        arch_every: an architecture step comes with every so-manieth update.
        arch_warmup: epochs in which the weights alone are trained.
        arch_init: deviation of the first logits.
        least_learning_rate: where the schedule of the weights' rate ends, in place of 0.
    """

    arch_learning_rate: float = 3e-4
    arch_betas: tuple[float, float] = (0.5, 0.999)
    arch_weight_decay: float = 1e-3
    arch_every: int = 1
    arch_warmup: int = 0
    arch_init: float = 1e-3
    least_learning_rate: float = 0.0

    def __post_init__(self) -> None:
        for name in ("arch_learning_rate", "arch_every"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("arch_weight_decay", "arch_warmup", "arch_init", "least_learning_rate"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} must be at least 0, not {getattr(self, name)}")
        if len(self.arch_betas) != 2 or not all(0 <= beta < 1 for beta in self.arch_betas):
            raise InvalidOption(f"arch_betas must be two numbers in [0, 1), not {self.arch_betas}")


class GradientAlgorithm(ArchitectureAlgorithm):
    """Every so often a step of the logits on held-out images, then a step of the weights on
    training images.

    Args:
        setting: what is trained, on what.
        options: of the logits' training.
        mutator: bound to the model.
    """

    def __init__(self, setting: Setting, options: GradientOptions, mutator: ArchitectureMutator):
        super().__init__(setting, mutator)
        self.options = options

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """The weights' SGD and the logits' Adam."""
        self.steps = steps
        options = self.options
        adam = torch.optim.Adam(
            self.mutator.arch_parameters(),
            lr=options.arch_learning_rate,
            betas=options.arch_betas,
            weight_decay=options.arch_weight_decay,
        )
        return [weights_sgd(self, options.least_learning_rate, steps), (adam, None)]

    def share(self, step: int) -> float:
        """How much of the training is done before update `step`."""
        return step / max(1, self.steps or 1)

    def searches(self, step: int) -> bool:
        """Whether the logits take a step with update `step`."""
        return (
            step // self.setting.steps_per_epoch >= self.options.arch_warmup
            and step % self.options.arch_every == 0
        )

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """A step of the logits where it is due, and one of the weights."""
        self.note_rank(engine)
        if self.searches(step):
            self.mutator.arch_requires_grad()
            self.architecture_step(batches, step, engine)
        self.mutator.arch_disable_grad()
        for images, labels in batches:
            self.mutator.reset()
            with engine.autocast():
                loss = self.loss(images, labels, step, engine)
            engine.backward(loss / len(batches))
        engine.update()

    def architecture_step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """A step of the logits by the gradient of the held-out loss."""
        images, labels = self.held_out_batch(step // self.options.arch_every, engine)
        with self.weights_frozen():
            self.mutator.reset()
            with engine.autocast():
                loss = self.architecture_loss(images, labels)
            engine.backward(loss)
        engine.update(1)

    def architecture_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """What the logits shall lower: the cross-entropy of held-out images [b, ...] with labels
        [b].
        """
        return functional.cross_entropy(self.model(images).float(), labels)

    def codes(self) -> dict[str, int]:
        """The most probable architecture, of those that meet the constraint where there is one."""
        constraint = self.setting.constraint
        return (
            super().codes()
            if constraint is None
            else within(constraint, self.mutator, self.setting.seed)
        )


def weights_sgd(
    algorithm: ArchitectureAlgorithm, least: float, steps: int
) -> tuple[Optimizer, LRScheduler]:
    """The recipe's SGD for a task's weights, its learning rate falling to `least` in place of 0."""
    optimizer, schedule = sgd(algorithm.model, algorithm.recipe, steps)
    recipe, floor = algorithm.recipe, min(1.0, least / algorithm.recipe.learning_rate)
    if not floor:
        return optimizer, schedule
    return optimizer, LambdaLR(
        optimizer, lambda step: floor + (1 - floor) * recipe.rate_fraction(step, steps)
    )


def within(constraint: Constraint, mutator: Rated, seed: int) -> dict[str, int]:
    """The most probable architecture that meets a constraint: key -> code; raises Infeasible."""
    choices = constraint.model.space.choices
    with torch.no_grad():
        rows = [
            row.double().clamp_min(1e-300).log().cpu().numpy()
            for row in mutator.probabilities(choices)
        ]
    found = most_probable(rows, constraint, seed=seed)
    return {choice.key: int(code) for choice, code in zip(choices, found.tolist(), strict=True)}


class Rated(Protocol):
    """A mutator that has probabilities."""

    def probabilities(self, choices: Iterable[Choice] | None = None) -> list[Tensor]:
        """See `ArchitectureMutator`."""
