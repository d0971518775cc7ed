"""ENAS: a controller samples paths and learns from their accuracy (arXiv 1802.03268)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.controller import Controller, separable_prior, surrogate
from oneshot.algorithms.gradient import weights_sgd
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.algorithms.sampled import SampledAlgorithm, SampledMutator, final_batches, rewards
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.mutator import Masks
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from oneshot.run_settings import RunSettings
    from oneshot.training.engine import Engine

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

# Number of architectures whose distributions are averaged for `probabilities`.
_MARGINALS = 256


@dataclass(frozen=True)
class EnasOptions:
    """Options of ENAS.

    The defaults are those of the release's search for cells (also in src/cifar10/main.py and
    src/utils.py). The release also attends over earlier nodes for inputs, drops features (keep
    0.9) and paths (keep 0.6), trains auxiliary heads and restarts the schedule; none of them is
    here. It has no PPO.

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
        layers: Number of layers of the LSTM.
        prior: Whether separable convolutions are preferred at first, as in the release.
        temperature: Divisor of the controller's logits (the release: none).
        tanh_constant: Upper bound of the logits' absolute values (the release: 1.1 / 2.5 for
            operations); 0: unbounded.
        entropy_weight: Weight of the entropy in the reward.
        baseline_decay: Decay of the moving average of rewards.
        ppo_clip: Clip of PPO's ratios; 0: REINFORCE, as published.
        ppo_epochs: Number of updates on the same architectures with PPO.
        final_samples: Number of architectures of which the best on held-out images is returned
            (section 2.4).
        final_images: Number of held-out images on which they are compared; 0: one batch, as
            published.
        least_learning_rate: Learning rate of the weights at the end of its schedule.
    """

    controller_learning_rate: float = 0.0035
    controller_epsilon: float = 1e-3
    controller_steps: int = 30
    controller_warmup: int = 0
    aggregate: int = 10
    batch_per_path: bool = True
    hidden: int = 64
    layers: int = 2
    prior: bool = True
    temperature: float = 1.0
    tanh_constant: float = 0.44
    entropy_weight: float = 1e-4
    baseline_decay: float = 0.99
    ppo_clip: float = 0.0
    ppo_epochs: int = 4
    final_samples: int = 10
    final_images: int = 0
    least_learning_rate: float = 0.0005

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
        ):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} must be positive, not {getattr(self, name)}")

        for name in (
            "controller_warmup",
            "tanh_constant",
            "entropy_weight",
            "least_learning_rate",
            "final_images",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidOption(f"{name} must be at least 0, not {getattr(self, name)}")

        for name in ("baseline_decay", "ppo_clip"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidOption(f"{name} must lie in [0, 1), not {getattr(self, name)}")


PAPER = EnasOptions(
    controller_learning_rate=0.00035, hidden=100, temperature=5.0, tanh_constant=2.5
)
"""Options after the paper's sections 2.1 and 3.2.

They are cited from memory and not verified: no script of the release has these four numbers.
"""


class EnasMutator(SampledMutator):
    """Runs the architectures that a controller samples.

    Args:
        model: Model with mutables, as for `BaseMutator`.
        options: Options of the controller.
        seed: Seed of the controller's initial weights and of its samples.
    """

    def __init__(self, model: nn.Module, options: EnasOptions, seed: int = 0):
        super().__init__(model, seed)
        candidates = [len(mutable.choice.candidates) for mutable in self.deciding]
        priors = [
            separable_prior(mutable.choice.candidates, mutable.key.startswith("normal"))
            for mutable in self.deciding
        ]
        self.controller = Controller(
            candidates,
            options.hidden,
            options.temperature,
            options.tanh_constant or None,
            seed,
            options.layers,
            priors if options.prior else None,
        )

    @torch.no_grad()
    def sample_search(self) -> Masks:
        """Return the architecture that the controller samples next."""
        codes = self.controller(1, self.generator).codes[0].tolist()
        return {
            mutable.choice.key: mutable.mask_of(code)
            for mutable, code in zip(self.deciding, codes, strict=True)
        }

    def sample_final(self) -> Masks:
        """Return the final architecture, or the controller's most probable decisions before."""
        if self.final is not None:
            return super().sample_final()

        with torch.no_grad():
            codes = self.controller(1).codes[0].tolist()
        return {
            mutable.choice.key: mutable.mask_of(code)
            for mutable, code in zip(self.deciding, codes, strict=True)
        }

    @torch.no_grad()
    def distributions(self) -> list[Tensor]:
        """Return the probabilities [candidates] of each key's candidates.

        They are the mean over sampled architectures.
        """
        # A separate generator: a report must not change the samples of the training.
        decisions = self.controller(_MARGINALS, torch.Generator().manual_seed(0))
        return [probabilities.mean(0).cpu() for probabilities in decisions.distributions]


@register_algorithm("enas")
class Enas(SampledAlgorithm[EnasMutator]):
    """Trains weights on sampled paths and, after each epoch, the controller on held-out accuracy.

    Args:
        setting: Model, images and costs.
        options: Options of ENAS.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "default": Preset(EnasOptions(), RECIPE),
        "paper": Preset(PAPER, RECIPE),
        "ppo": Preset(EnasOptions(ppo_clip=0.2), RECIPE),
    }

    @classmethod
    def earlier_options(cls, settings: RunSettings) -> dict[str, Any]:
        """Return the options of runs that were recorded before the options existed."""
        return {"batch_per_path": False, "layers": 1, "prior": False}

    def __init__(self, setting: Setting, options: EnasOptions):
        super().__init__(setting, EnasMutator(setting.model, options, setting.seed))
        self.options = options
        self.baseline: float | None = None

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return the weights' SGD and the controller's Adam, for a training of `steps` updates."""
        self.steps = steps
        options = self.options

        # The first beta of 0 is that of the release: no momentum.
        adam = torch.optim.Adam(
            self.drawing.controller.parameters(),
            lr=options.controller_learning_rate,
            betas=(0.0, 0.999),
            eps=options.controller_epsilon,
        )
        return [weights_sgd(self, self.options.least_learning_rate, steps), (adam, None)]

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights, and after an epoch the controller; at the end select the best."""
        self.note_rank(engine)

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
