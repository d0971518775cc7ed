"""ENAS: a controller draws paths of shared weights and learns from their accuracy (Pham et al.,
arXiv 1802.03268).
"""

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
from oneshot.algorithms.controller import Controller, surrogate
from oneshot.algorithms.gradient import weights_sgd
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.algorithms.sampled import SampledAlgorithm, SampledMutator, final_batches, rewards
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.mutator import Masks
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
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
"""Of the release's search for cells (melodyguan/enas, scripts/cifar10_micro_search.sh), its cosine
without restarts.

Its `child_l2_reg`, 1e-4, is a factor of the squared weights, which is a decay of 2e-4. Its
`child_grad_bound` bounds
nothing: src/utils.py keeps the gradients that it was to clip.
"""

_MARGINALS = 256  # architectures whose distributions are averaged for `probabilities`


@dataclass(frozen=True)
class EnasOptions:
    """Options of ENAS with the defaults of the release's search for cells (src/cifar10/main.py and
    src/utils.py too).

    Args:
        controller_learning_rate: of Adam.
        controller_epsilon: of Adam, whose first beta is 0; small rewards move the controller little
            for it.
        controller_steps: updates of the controller after each epoch.
        controller_warmup: epochs in which the weights alone are trained, on what the first
            controller draws.
        aggregate: architectures an update.
        hidden: units of the LSTM.
        temperature: that the controller's logits are divided by (the release: none).
        tanh_constant: the greatest logit (the release: 1.1 / 2.5 for operations); 0: any.
        entropy_weight: the entropy counts so much in the reward.
        baseline_decay: of the moving average of rewards.
        ppo_clip: of PPO; 0: REINFORCE, as published.
        ppo_epochs: updates on the same architectures, with PPO.
        final_samples: architectures of which the best on held-out images is returned (section 2.4).
        final_images: held-out images that they are compared on; 0: one batch, as published.
        least_learning_rate: where the schedule of the weights' rate ends, in place of 0.
    """

    controller_learning_rate: float = 0.0035
    controller_epsilon: float = 1e-3
    controller_steps: int = 30
    controller_warmup: int = 0
    aggregate: int = 10
    hidden: int = 64
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
"""After the paper's sections 2.1 and 3.2, told from memory: no script of the release has these four
numbers.
"""


class EnasMutator(SampledMutator):
    """Runs what a controller draws.

    Args:
        model: as of `BaseMutator`.
        options: of the controller.
        seed: of the controller's weights and of its draws.
    """

    def __init__(self, model: nn.Module, options: EnasOptions, seed: int = 0):
        super().__init__(model, seed)
        candidates = [len(mutable.choice.candidates) for mutable in self.mutables]
        tanh = options.tanh_constant or None
        self.controller = Controller(candidates, options.hidden, options.temperature, tanh, seed)

    @torch.no_grad()
    def sample_search(self) -> Masks:
        """What the controller draws next."""
        codes = self.controller(1, self.generator).codes[0].tolist()
        return {
            mutable.key: mutable.mask_of(code)
            for mutable, code in zip(self.mutables, codes, strict=True)
        }

    def sample_final(self) -> Masks:
        """The architecture that was kept; before that what the controller finds most probable, step
        by step.
        """
        if self.final is not None:
            return super().sample_final()
        with torch.no_grad():
            codes = self.controller(1).codes[0].tolist()
        return {
            mutable.key: mutable.mask_of(code)
            for mutable, code in zip(self.mutables, codes, strict=True)
        }

    @torch.no_grad()
    def distributions(self) -> list[Tensor]:
        """Probabilities [candidates] of each key's candidates, the mean over architectures that the
        controller draws.

        They are the same whenever they are asked for: a generator of their own draws.
        """
        drawn = self.controller(_MARGINALS, torch.Generator().manual_seed(0))
        return [part.mean(0).cpu() for part in drawn.distributions]


@register_algorithm("enas")
class Enas(SampledAlgorithm[EnasMutator]):
    """Trains weights on drawn paths and, after each epoch, the controller on their accuracy on
    held-out images.

    Args:
        setting: what is trained, on what.
        options: of ENAS.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "default": Preset(EnasOptions(), RECIPE),
        "paper": Preset(PAPER, RECIPE),
        "ppo": Preset(EnasOptions(ppo_clip=0.2), RECIPE),
    }

    def __init__(self, setting: Setting, options: EnasOptions):
        super().__init__(setting, EnasMutator(setting.model, options, setting.seed))
        self.options = options
        self.baseline: float | None = None

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """The weights' SGD and the controller's Adam."""
        self.steps = steps
        options = self.options
        adam = torch.optim.Adam(
            self.drawing.controller.parameters(),
            lr=options.controller_learning_rate,
            betas=(0.0, 0.999),
            eps=options.controller_epsilon,
        )
        return [weights_sgd(self, self.options.least_learning_rate, steps), (adam, None)]

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """A step of the weights; at an epoch's end those of the controller; at the very end the
        choice of the best.
        """
        self.note_rank(engine)
        for images, labels in batches:
            self.drawing.reset()
            with engine.autocast():
                loss = self.loss(images, labels, step, engine)
            engine.backward(loss / len(batches))
        engine.update()
        done, steps = step + 1, self.options.controller_steps
        epochs = -(-done // self.setting.steps_per_epoch)
        at_the_end = done % self.setting.steps_per_epoch == 0 or done == self.steps
        if at_the_end and epochs > self.options.controller_warmup:
            for number in range((epochs - 1) * steps, epochs * steps):
                self.controller_step(number, engine)
        if done == self.steps:
            self.choose(epochs * steps, engine)

    def controller_step(self, number: int, engine: Engine) -> None:
        """One update of the controller: the accuracy of drawn architectures is its reward.

        Args:
            number: of the held-out batch.
            engine: of the training.
        """
        options, controller = self.options, self.drawing.controller
        with torch.no_grad():
            drawn = controller(options.aggregate, self.drawing.generator)
        accuracy = rewards(self, drawn.codes.tolist(), [number], engine).to(drawn.entropy)
        reward = accuracy + options.entropy_weight * drawn.entropy
        advantages = []
        for value in reward.tolist():
            # The first reward begins the average: from 0 it would take hundreds of them to get
            # near.
            before = value if self.baseline is None else self.baseline
            self.baseline = before + (1 - options.baseline_decay) * (value - before)
            advantages.append(value - self.baseline)
        clip = options.ppo_clip or None
        for _ in range(1 if clip is None else options.ppo_epochs):
            now = controller.judged(drawn.codes).log_probability
            engine.backward(surrogate(now, drawn.log_probability, now.new_tensor(advantages), clip))
            engine.update(1)

    def choose(self, number: int, engine: Engine) -> None:
        """Keep the best on held-out images of what the controller draws, and of what it finds most
        probable.
        """
        with torch.no_grad():
            controller = self.drawing.controller
            drawn = controller(self.options.final_samples, self.drawing.generator).codes
            rows = torch.cat([controller(1).codes, drawn]).tolist()
        allowed = self.allowed(dict.fromkeys(map(tuple, rows)))
        if allowed:
            images = self.options.final_images
            numbers = final_batches(self, images) if images else [number]
            self.drawing.settle(allowed[int(rewards(self, allowed, numbers, engine).argmax())])

    def state_dict(self) -> dict[str, Any]:
        """The controller, the final architecture and the baseline."""
        return {**super().state_dict(), "baseline": self.baseline}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        super().load_state_dict(state)
        self.baseline = state["baseline"]
