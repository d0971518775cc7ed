"""DARTS: train weights and a mixture of all candidates in turns (ICLR 2019, arXiv 1806.09055)."""

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
"""Recipe of the release's search on CIFAR-10 (quark0/darts, cnn/train_search.py)."""

HELD_OUT = 0.5
"""Fraction of the training images that trains the architecture (1 - `train_portion`)."""


@dataclass(frozen=True)
class DartsOptions(GradientOptions):
    """Options of DARTS.

    The defaults are those of the release (quark0/darts, cnn/train_search.py and cnn/architect.py).

    Args:
        order: Order of the approximation, 1 or 2; the second order takes the held-out loss after
            one more step of the weights.
        epsilon: Norm of the step of the weights in the second order's finite difference (`r` of
            the release: 0.01).
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
    """Trains the mixture of all candidates and returns the most probable ones.

    With several processes each one unrolls on its own part of the batch, and the gradients of the
    logits are averaged.

    Args:
        setting: Model, images and costs.
        options: Options of DARTS.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "default": Preset(DartsOptions(), RECIPE, HELD_OUT),
        "second-order": Preset(DartsOptions(order=2), RECIPE, HELD_OUT),
    }
    searches_published_network = True
    options: DartsOptions

    def __init__(self, setting: Setting, options: DartsOptions):
        mutator = ArchitectureMutator(
            setting.model, init_ratio=options.arch_init, seed=setting.seed
        )
        super().__init__(setting, options, mutator)

    def architecture_step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the logits by the gradient of the first or the second order."""
        if self.options.order == 1:
            super().architecture_step(batches, step, engine)
            return

        # These gradients bypass the engine's loss scaler, without which fp16 underflows.
        if getattr(engine.fabric.strategy.precision, "scaler", None) is not None:
            raise InvalidOption("precision: DARTS of second order takes fp32 or bf16, not fp16")

        held_out = self.held_out_batch(step // self.options.arch_every, engine)
        logits = self.mutator.arch_parameters()
        # The passes with moved weights must not enter the running statistics.
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
        self.update_logits(engine)

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
    """Return the logits' gradient of the held-out loss after one more step of the weights.

    arXiv 1806.09055, equations 7 and 8:

        grad_a L_val(w', a) - xi (grad_a L_train(w+, a) - grad_a L_train(w-, a)) / 2e

    with w' the weights after the step, w+- = w +- e grad_w' L_val(w', a) and
    e = epsilon / |grad_w' L_val(w', a)|. The step is that of the optimiser, with its momentum and
    decay as in the release, and one learning rate for all weights. The weights are restored.

    Args:
        train: Function that computes the training loss with the current weights.
        held_out: Function that computes the held-out loss with the current weights.
        optimizer: SGD of the weights.
        logits: Parameters of the architecture.
        epsilon: Norm of the step by which the finite difference moves the weights.

    Returns:
        One gradient for each of the logits.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    parameters = list(logits)
    learning_rate = float(optimizer.param_groups[0]["lr"])
    saved = [weight.detach().clone() for weight in weights]

    try:
        # w': the weights after one step on the training loss.
        _move_ahead(optimizer, train())

        # First term of equation 7, and the direction of the finite difference.
        gradients = gradient_of(held_out(), [*weights, *parameters])
        weight_gradients = gradients[: len(weights)]
        direct = gradients[len(weights) :]
        # Summed in double precision: a network has millions of weights.
        norm = (
            torch.stack([gradient.double().square().sum() for gradient in weight_gradients])
            .sum()
            .sqrt()
        )
        if not norm > 0:
            return direct

        # Equation 8: the training loss at w+ and at w-, both from the saved weights.
        reach = float(epsilon / norm)
        sides = []
        for signed_reach in (reach, -reach):
            with torch.no_grad():
                for weight, value, gradient in zip(weights, saved, weight_gradients, strict=True):
                    weight.copy_(value + signed_reach * gradient)
            sides.append(gradient_of(train(), parameters))
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, saved, strict=True):
                weight.copy_(value)

    # Equation 7, with xi the learning rate.
    return [
        first_term - learning_rate * (plus - minus) / (2 * reach)
        for first_term, plus, minus in zip(direct, *sides, strict=True)
    ]


def _move_ahead(optimizer: Optimizer, loss: Tensor) -> None:
    """Move the weights by one step of SGD, but leave its momentum buffers unchanged.

    Weights without a gradient are not moved.
    """
    groups = [(weight, group) for group in optimizer.param_groups for weight in group["params"]]
    gradients: Sequence[Tensor | None] = torch.autograd.grad(
        loss, [weight for weight, _ in groups], allow_unused=True
    )

    with torch.no_grad():
        for (weight, group), gradient in zip(groups, gradients, strict=True):
            if gradient is None:
                # The loss does not depend on this weight.
                continue

            # torch's SGD: decay, momentum, then Nesterov's look-ahead.
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
