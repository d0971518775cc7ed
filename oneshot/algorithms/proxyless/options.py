"""The options of ProxylessNAS, and the settings that were published."""

from __future__ import annotations

import math
from dataclasses import dataclass

from oneshot.algorithms.hardware import FORMS
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import INITIAL
from oneshot.training.recipe import Recipe

LEARNING = ("gradient", "reinforce")


@dataclass(frozen=True)
class ProxylessOptions:
    """How the architecture is trained; names that NNI's trainer has are NNI's.

    Args:
        binary_mode: `full_v2`, `full` or `two`; see `ProxylessMutator`.
        learning: `gradient`, or `reinforce` for costs and rewards without a gradient.
        arch_init_type: how logits begin: `normal`, `uniform` or `zeros`.
        arch_init_ratio: deviation or bound of the first logits.
        arch_optim_lr: learning rate of their Adam.
        arch_beta1: of their Adam; with 0, as published, logits without a gradient stay.
        arch_beta2: of their Adam.
        arch_weight_decay: of their Adam.
        grad_update_arch_param_every: updates of weights between two architecture steps.
        grad_update_steps: updates of logits in an architecture step.
        warmup_epochs: epochs at the beginning in which weights train alone; None: a quarter of all.
        warmup_learning_rate: the greatest in these; None: twice the recipe's.
        form: of the loss, where a cost is aimed at: `mul#log` or `add#linear`; see
            `oneshot.algorithms.hardware`.
        reference: cost that is aimed at, in the metric's unit; None: the mean over all networks.
        log_alpha: the factor of `mul#log`.
        log_beta: the exponent of `mul#log`.
        linear_weight: lambda of `add#linear`.
        multiplier_rate: of the Lagrange multiplier, where there is a constraint.
        reward_exponent: reward = accuracy x (reference / cost)^this (`reinforce`).
        reward_paths: paths an update of `reinforce` draws.
        baseline_decay: of the moving average of rewards.
    """

    binary_mode: str = "full_v2"
    learning: str = "gradient"
    arch_init_type: str = "normal"
    arch_init_ratio: float = 1e-3
    arch_optim_lr: float = 1e-3
    arch_beta1: float = 0.0
    arch_beta2: float = 0.999
    arch_weight_decay: float = 0.0
    grad_update_arch_param_every: int = 5
    grad_update_steps: int = 1
    warmup_epochs: int | None = None
    warmup_learning_rate: float | None = None
    form: str = "mul#log"
    reference: float | None = None
    log_alpha: float = 0.2
    log_beta: float = 0.3
    linear_weight: float = 0.1
    multiplier_rate: float = 0.1
    reward_exponent: float = 0.1
    reward_paths: int = 10
    baseline_decay: float = 0.99

    def __post_init__(self) -> None:
        from oneshot.algorithms.proxyless.mutator import MODES

        known = {
            "binary_mode": MODES,
            "learning": LEARNING,
            "arch_init_type": INITIAL,
            "form": FORMS,
        }
        for name, names in known.items():
            if getattr(self, name) not in names:
                raise InvalidOption(
                    f"{name} must be one of {', '.join(names)}, not {getattr(self, name)!r}"
                )
        for name in ("grad_update_arch_param_every", "grad_update_steps", "reward_paths"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"{name} must be at least 1, not {getattr(self, name)}")
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
        for name in (
            "arch_init_ratio",
            "arch_weight_decay",
            "warmup_epochs",
            "log_beta",
            "linear_weight",
        ):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InvalidOption(f"{name} must be at least 0, not {value}")
        for name in ("arch_beta1", "arch_beta2", "baseline_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidOption(f"{name} must lie in [0, 1), not {getattr(self, name)}")
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
"""40 epochs of warm-up at 0.05, then 120 at 0.025 (arXiv 1812.00332 and the release's command
line).
"""
