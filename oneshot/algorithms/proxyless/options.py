"""Options of ProxylessNAS and the published recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from oneshot.algorithms.hardware import FORMS
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import INITIAL
from oneshot.training.recipe import Recipe

LEARNING = ("gradient", "reinforce")


@dataclass(frozen=True)
class ProxylessOptions:
    """Options of the architecture's training, under the names of NNI's trainer where it has them.

    Args:
        binary_mode: Mode of the gates: `full_v2`, `full` or `two`; see `ProxylessMutator`.
        learning: `gradient`, or `reinforce` for costs and rewards without a gradient.
        arch_init_type: Distribution of the initial logits: `normal`, `uniform` or `zeros`.
        arch_init_ratio: Standard deviation or bound of the initial logits.
        arch_optim_lr: Learning rate of the logits' Adam.
        arch_beta1: Decay of Adam's first moment; the published 0 leaves logits without a gradient
            unchanged.
        arch_beta2: Decay of Adam's second moment.
        arch_weight_decay: Weight decay of the logits.
        arch_label_smoothing: Label smoothing of the logits' loss; the release smooths the labels
            of the weights' steps alone.
        grad_update_arch_param_every: Number of updates of the weights for each architecture step.
        grad_update_steps: Number of updates of the logits in an architecture step.
        warmup_epochs: Number of initial epochs that train the weights only; None means a quarter of
            all epochs.
        warmup_learning_rate: Greatest learning rate of the warm-up; None means twice the recipe's.
        form: Hardware term of the loss: `mul#log`, `add#linear` or `mul#power`; see
            `oneshot.algorithms.hardware`. `--charge` sets it with the target and the reference.
        reference: Cost that the loss aims at, in the metric's unit; None means the mean over all
            networks.
        log_alpha: Factor of `mul#log`.
        log_beta: Exponent of `mul#log`.
        linear_weight: Factor lambda of `add#linear`.
        power_above: Exponent of `mul#power` for costs above the reference.
        power_below: Exponent of `mul#power` for costs below it; None means that of costs above.
        multiplier_rate: Step size of the Lagrange multiplier, which a constraint needs.
        reward_exponent: Exponent w of the reward accuracy x (reference / cost)^w (`reinforce`).
        reward_paths: Number of paths sampled for one update (`reinforce`).
        baseline_decay: Fraction of the baseline that remains in an update, in [0, 1); the release
            moves the baseline by 0.99 of its distance to the mean reward (`reinforce`).

    Raises:
        InvalidOption: A name is unknown or a number is out of range.
    """

    read_once: ClassVar[frozenset[str]] = frozenset(
        {
            "arch_init_ratio",
            "warmup_epochs",
            "warmup_learning_rate",
            "reference",
            "log_alpha",
            "log_beta",
            "linear_weight",
            "power_above",
            "power_below",
            "multiplier_rate",
        }
    )

    binary_mode: str = "full_v2"
    learning: str = "gradient"
    arch_init_type: str = "normal"
    arch_init_ratio: float = 1e-3
    arch_optim_lr: float = 1e-3
    arch_beta1: float = 0.0
    arch_beta2: float = 0.999
    arch_weight_decay: float = 0.0
    arch_label_smoothing: float = 0.0
    grad_update_arch_param_every: int = 5
    grad_update_steps: int = 1
    warmup_epochs: int | None = None
    warmup_learning_rate: float | None = None
    form: str = "mul#log"
    reference: float | None = None
    log_alpha: float = 0.2
    log_beta: float = 0.3
    linear_weight: float = 0.1
    power_above: float = 0.07
    power_below: float | None = None
    multiplier_rate: float = 0.1
    reward_exponent: float = 0.1
    reward_paths: int = 10
    baseline_decay: float = 0.01

    @property
    def adam(self) -> dict[str, Any]:
        """Arguments of the logits' Adam."""
        return {
            "lr": self.arch_optim_lr,
            "betas": (self.arch_beta1, self.arch_beta2),
            "weight_decay": self.arch_weight_decay,
        }

    def __post_init__(self) -> None:
        from oneshot.algorithms.proxyless.mutator import MODES

        # Names
        accepted = {
            "binary_mode": MODES,
            "learning": LEARNING,
            "arch_init_type": INITIAL,
            "form": FORMS,
        }
        for name, names in accepted.items():
            if getattr(self, name) not in names:
                raise InvalidOption(
                    f"{name} must be one of {', '.join(names)}, not {getattr(self, name)!r}"
                )

        # Counts, which begin at 1
        for name in ("grad_update_arch_param_every", "grad_update_steps", "reward_paths"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"{name} must be at least 1, not {getattr(self, name)}")

        # Numbers above 0; None selects a default
        for name in (
            "arch_optim_lr",
            "multiplier_rate",
            "warmup_learning_rate",
            "reference",
            "log_alpha",
        ):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InvalidOption(f"{name} must be positive, not {value}")

        # Numbers from 0 on
        for name in (
            "arch_init_ratio",
            "arch_weight_decay",
            "warmup_epochs",
            "log_beta",
            "linear_weight",
            "power_above",
            "power_below",
        ):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InvalidOption(f"{name} must be at least 0, not {value}")

        # Decays and fractions, which must not reach 1
        for name in ("arch_beta1", "arch_beta2", "baseline_decay", "arch_label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidOption(f"{name} must lie in [0, 1), not {getattr(self, name)}")

        # The command line and files may pass 3.0 for 3.
        if self.warmup_epochs is not None and self.warmup_epochs != int(self.warmup_epochs):
            raise InvalidOption(f"warmup_epochs must be a whole number, not {self.warmup_epochs}")


PAPER_RECIPE = Recipe(
    epochs=160,
    batch_size=256,
    learning_rate=0.025,
    schedule="cosine",
    nesterov=True,
    weight_decay=4e-5,
)
"""Recipe of the paper and its release: 40 epochs of warm-up at 0.05, then 120 epochs at 0.025."""
