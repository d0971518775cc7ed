"""DARTS: weights and a mixture of all candidates trained in turns (Liu et al., ICLR 2019, arXiv
1806.09055).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import gradient_of
from oneshot.algorithms.batch_statistics import untracked
from oneshot.algorithms.gradient import GradientAlgorithm, GradientOptions
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from oneshot.training.engine import Engine

RECIPE = Recipe(
    epochs=50,
    batch_size=64,
    learning_rate=0.025,
    momentum=0.9,
    weight_decay=3e-4,
    label_smoothing=0.0,
    schedule="cosine",
    clip=5.0,
)
"""Of the search on CIFAR-10: every number is that of the release (quark0/darts,
cnn/train_search.py).
"""


@dataclass(frozen=True)
class DartsOptions(GradientOptions):
    """Options of DARTS with the defaults of the release (quark0/darts, cnn/train_search.py and
    cnn/architect.py).

    Args:
        order: 1, or 2: the held-out loss is that of the weights after one more step.
        epsilon: the finite difference of the second order moves the weights this far (`r` of the
            release: 0.01).
    """

    order: int = 1
    epsilon: float = 0.01
    least_learning_rate: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order not in (1, 2):
            raise InvalidOption(f"order must be 1 or 2, not {self.order}")
        if not self.epsilon > 0:
            raise InvalidOption(f"epsilon must be positive, not {self.epsilon}")


@register_algorithm("darts")
class Darts(GradientAlgorithm):
    """Trains the mixture of all candidates; the most probable ones are returned.

    With several processes each unrolls on its own part of the batch, and the gradients of the
    logits are averaged.

    Args:
        setting: what is trained, on what.
        options: of DARTS.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "default": Preset(DartsOptions(), RECIPE),
        "second-order": Preset(DartsOptions(order=2), RECIPE),
    }
    options: DartsOptions

    def __init__(self, setting: Setting, options: DartsOptions):
        mutator = ArchitectureMutator(
            setting.model, init_ratio=options.arch_init, seed=setting.seed
        )
        super().__init__(setting, options, mutator)

    def architecture_step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """A step of the logits, of either order."""
        if self.options.order == 1:
            super().architecture_step(batches, step, engine)
            return
        if getattr(engine.fabric.strategy.precision, "scaler", None) is not None:
            raise InvalidOption("precision: DARTS of second order takes fp32 or bf16, not fp16")
        held_out = self.held_out_batch(step // self.options.arch_every, engine)
        logits = self.mutator.arch_parameters()
        with untracked(self.model):
            gradients = unrolled_gradient(
                lambda: self._loss_of(batches[0], engine),
                lambda: self._loss_of(held_out, engine),
                engine.optimizers[0],
                logits,
                self.options.epsilon,
            )
        for logit, gradient in zip(logits, gradients, strict=True):
            logit.grad = gradient
        engine.update(1)

    def _loss_of(self, batch: Batch, engine: Engine) -> Tensor:
        self.mutator.reset()
        with engine.autocast():
            return self.architecture_loss(*batch)


def unrolled_gradient(
    train: Callable[[], Tensor],
    held_out: Callable[[], Tensor],
    optimizer: Optimizer,
    logits: Sequence[nn.Parameter],
    epsilon: float = 0.01,
) -> list[Tensor]:
    """The gradient of the held-out loss after one more step of the weights, by the logits.

    arXiv 1806.09055, equations 7 and 8: grad_a L_val(w', a) - xi (grad_a L_train(w+, a) - grad_a
    L_train(w-, a)) / 2e with w' the weights after the step, w+- = w +- e grad_w' L_val(w', a) and e
    = epsilon / |grad_w' L_val(w', a)|. The step is the optimiser's own, with its momentum and decay
    as in the release, and one learning rate for all; the weights come back as they were.

    Args:
        train: the training loss, as of now.
        held_out: the held-out loss, as of now.
        optimizer: torch's SGD of the weights.
        logits: of the architecture.
        epsilon: how far the finite difference moves the weights.

    Returns:
        A gradient for each of the logits.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    chosen, rate = list(logits), float(optimizer.param_groups[0]["lr"])
    before = [weight.detach().clone() for weight in weights]
    try:
        _move_ahead(optimizer, train())
        both = gradient_of(held_out(), [*weights, *chosen])
        ahead, direct = both[: len(weights)], both[len(weights) :]
        norm = torch.stack([part.double().square().sum() for part in ahead]).sum().sqrt()
        if not norm > 0:
            return direct
        reach = float(epsilon / norm)
        sides = []
        for sign in (reach, -reach):
            with torch.no_grad():
                for weight, own, part in zip(weights, before, ahead, strict=True):
                    weight.copy_(own + sign * part)
            sides.append(gradient_of(train(), chosen))
    finally:
        with torch.no_grad():
            for weight, own in zip(weights, before, strict=True):
                weight.copy_(own)
    return [
        value - rate * (above - below) / (2 * reach)
        for value, above, below in zip(direct, *sides, strict=True)
    ]


def _move_ahead(optimizer: Optimizer, loss: Tensor) -> None:
    """Move the weights as SGD would, and leave its momentum as it is; weights without a gradient
    stay.
    """
    groups = [(weight, group) for group in optimizer.param_groups for weight in group["params"]]
    gradients: Sequence[Tensor | None] = torch.autograd.grad(
        loss, [weight for weight, _ in groups], allow_unused=True
    )
    with torch.no_grad():
        for (weight, group), gradient in zip(groups, gradients, strict=True):
            if gradient is None:
                continue
            direction = gradient + group["weight_decay"] * weight
            momentum = (
                optimizer.state[weight].get("momentum_buffer")
                if weight in optimizer.state
                else None
            )
            velocity = direction if momentum is None else group["momentum"] * momentum + direction
            if group["nesterov"]:
                velocity = direction + group["momentum"] * velocity
            weight -= group["lr"] * velocity
