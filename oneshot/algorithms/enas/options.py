"""Options of ENAS and the recipe of its shared weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from oneshot.errors import InvalidOption
from oneshot.training.recipe import Recipe

RECIPE = Recipe(
    epochs=150,
    batch_size=160,
    learning_rate=0.05,
    momentum=0.9,
    weight_decay=2e-4,
    label_smoothing=0.0,
    schedule="cosine",
    nesterov=True,
)
"""Recipe of the release's search for cells, but with a cosine schedule without restarts.

The release is melodyguan/enas, scripts/cifar10_micro_search.sh. Its `child_l2_reg`, 1e-4, is a
factor of the squared weights, which is a decay of 2e-4. Its `child_grad_bound` has no effect:
src/utils.py uses the gradients from before the clipping.
"""


@dataclass(frozen=True)
class EnasOptions:
    """Options of ENAS.

    The defaults are our own: the numbers of the release's search for cells (also in
    src/cifar10/main.py and src/utils.py) without its attention, dropout, auxiliary head and
    restarts, which `RELEASE` has. The release has no PPO.

    Args:
        controller_learning_rate: Learning rate of the controller's Adam.
        controller_epsilon: Epsilon of the controller's Adam, whose first beta is 0; it keeps
            updates by small rewards small.
        controller_steps: Number of updates of the controller after each epoch.
        controller_warmup: Number of first epochs in which only the weights are trained, on samples
            of the initial controller.
        aggregate: Number of architectures per update of the controller.
        batch_per_path: Whether each architecture has a held-out batch of its own, as in the
            release, rather than all of an update the same.
        hidden: Number of units of each layer of the LSTM.
        layers: Number of layers of the LSTM (the release: 1 by src/cifar10/main.py, although its
            controller's own default is 2).
        prior: Whether separable convolutions are preferred at first, as in the release.
        attention: Whether an InputChoice of one input with `choose_from` is decided by attention
            over the states of the earlier nodes that it names, as in the release, rather than by a
            classifier.
        shared: Whether choices with equal candidates share classifier and embedding, as in the
            release.
        temperature: Divisor of the controller's logits (the release: none).
        tanh_constant: Upper bound of the logits' absolute values (the release: 1.1 / 2.5 for
            operations); 0: unbounded.
        input_tanh_constant: The same of choices that are decided by attention.
        entropy_weight: Weight of the entropy in the reward.
        baseline_decay: Decay of the moving average of rewards.
        zero_baseline: Whether the average begins with 0, as in the release, rather than with the
            first reward.
        ppo_clip: Clip of PPO's ratios; 0: REINFORCE, as published.
        ppo_epochs: Number of updates on the same architectures with PPO.
        final_samples: Number of architectures of which the best on held-out images is returned
            (section 2.4).
        final_images: Number of held-out images on which they are compared; 0: one batch, as
            published.
        least_learning_rate: Learning rate of the weights at the end of its schedule.
        keep: Probability that a feature in front of the classifier is kept, in training and in
            rewards (the release: 0.9).
        auxiliary: Weight of an auxiliary classifier's loss (the release: 0.4); 0: none.
        restart_epochs: Number of epochs before the cosine schedule restarts (the release: 10); 0:
            no restarts.
        restart_factor: Factor by which each period is longer than the one before.
    """

    read_once: ClassVar[frozenset[str]] = frozenset(
        {
            "hidden",
            "layers",
            "tanh_constant",
            "input_tanh_constant",
            "auxiliary",
            "least_learning_rate",
            "restart_epochs",
            "restart_factor",
        }
    )

    controller_learning_rate: float = 0.0035
    controller_epsilon: float = 1e-3
    controller_steps: int = 30
    controller_warmup: int = 0
    aggregate: int = 10
    batch_per_path: bool = True
    hidden: int = 64
    layers: int = 2
    prior: bool = True
    attention: bool = False
    shared: bool = False
    temperature: float = 1.0
    tanh_constant: float = 0.44
    input_tanh_constant: float = 1.1
    entropy_weight: float = 1e-4
    baseline_decay: float = 0.99
    zero_baseline: bool = False
    ppo_clip: float = 0.0
    ppo_epochs: int = 4
    final_samples: int = 10
    final_images: int = 0
    least_learning_rate: float = 0.0005
    keep: float = 1.0
    auxiliary: float = 0.0
    restart_epochs: int = 0
    restart_factor: int = 2

    def __post_init__(self) -> None:
        for name in (
            "controller_learning_rate",
            "controller_epsilon",
            "controller_steps",
            "aggregate",
            "hidden",
            "layers",
            "temperature",
            "ppo_epochs",
            "final_samples",
            "restart_factor",
        ):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} must be positive, not {getattr(self, name)}")

        for name in (
            "controller_warmup",
            "tanh_constant",
            "entropy_weight",
            "least_learning_rate",
            "final_images",
            "input_tanh_constant",
            "auxiliary",
            "restart_epochs",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} must be at least 0, not {getattr(self, name)}")

        for name in ("baseline_decay", "ppo_clip"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidOption(f"{name} must lie in [0, 1), not {getattr(self, name)}")

        if not 0 < self.keep <= 1:
            raise InvalidOption(f"keep must lie in (0, 1], not {self.keep}")


PAPER = EnasOptions(
    controller_learning_rate=0.00035, hidden=100, temperature=5.0, tanh_constant=2.5
)
"""Options after the paper's sections 2.1 and 3.2.

They are cited from memory and not verified: no script of the release has these four numbers.
"""

RELEASE = EnasOptions(
    layers=1,
    attention=True,
    shared=True,
    zero_baseline=True,
    keep=0.9,
    auxiliary=0.4,
    restart_epochs=10,
)
"""Options of melodyguan/enas, scripts/cifar10_micro_search.sh.

Its `child_drop_path_keep_prob`, 0.6, has no effect in a search: src/cifar10/micro_child.py drops
paths of a fixed architecture only.
"""
