"""SNAS: train weights and sampled mixtures by one loss (ICLR 2019, arXiv 1812.09926)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.gradient import GradientAlgorithm, GradientOptions
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.gumbel import GumbelMutator, check_temperatures
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from oneshot.training.engine import Engine

RECIPE = Recipe(
    epochs=150,
    batch_size=64,
    learning_rate=0.025,
    momentum=0.9,
    weight_decay=3e-4,
    label_smoothing=0.0,
    schedule="cosine",
    clip=5.0,
)
"""Recipe of the release's search on CIFAR-10 (SNAS-Series/SNAS-Series, SNAS/train_search.py).

It is that of DARTS except for the number of epochs.
"""


@dataclass(frozen=True)
class SnasOptions(GradientOptions):
    """Options of SNAS.

    The defaults are those of the release's search with 8 cells (SNAS/README.md,
    SNAS/train_search.py).

    Args:
        first_temperature: Temperature of the Gumbel-softmax in the first update; it falls linearly
            (`Temp_Scheduler` of SNAS/utils.py).
        last_temperature: Temperature at the end of the training.
        resource: Weight of the logarithm of the sampled mixture's cost in the loss; without a cost
            it has no effect. For 8 cells the newest README of the release has 0.0015, an earlier
            one 0.01 (the preset `earlier`).
    """

    arch_init: float = 0.01
    least_learning_rate: float = 0.001

    first_temperature: float = 1.0
    last_temperature: float = 0.03
    resource: float = 0.0015

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperatures(self.first_temperature, self.last_temperature)
        if self.resource < 0:
            raise InvalidOption(f"resource must be at least 0, not {self.resource}")


@register_algorithm("snas")
class Snas(GradientAlgorithm):
    """Trains weights and logits by the same loss, and returns the most probable candidates.

    Args:
        setting: Model, images and costs; the held-out images are not used.
        options: Options of SNAS.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "default": Preset(SnasOptions(), RECIPE),
        # The weight of an earlier README, which the remark on the newest command still has.
        "earlier": Preset(SnasOptions(resource=0.01), RECIPE),
    }
    searches_published_network = True
    options: SnasOptions
    mutator: GumbelMutator

    def __init__(self, setting: Setting, options: SnasOptions):
        mutator = GumbelMutator(setting.model, init_ratio=options.arch_init, seed=setting.seed)
        super().__init__(setting, options, mutator)
        if setting.cost is not None and options.resource:
            mutator.check_cost(setting.cost)

    def before_step(self, step: int) -> None:
        """Seed the mutator, and set its temperature."""
        super().before_step(step)
        first = self.options.first_temperature
        last = self.options.last_temperature

        # Linear in the updates: the relaxed samples become nearly discrete at the end.
        self.mutator.temperature = first + (last - first) * self.share(step)

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update weights and logits by the gradient of the same training loss."""
        self.note_rank(engine)

        # During the warmup only the weights are trained.
        searches = self.searches(step)
        if searches:
            self.mutator.arch_requires_grad()
        else:
            self.mutator.arch_disable_grad()

        for inputs, targets in batches:
            self.mutator.reset()
            with engine.autocast():
                loss = self.loss(inputs, targets, step, engine)

            # The logarithm's gradient does not depend on the cost's unit.
            if searches and self.setting.cost is not None and self.options.resource:
                loss = (
                    loss + self.options.resource * self.mutator.drawn_cost(self.setting.cost).log()
                )
            engine.backward(loss / len(batches))

        # One backward pass has filled the gradients of both optimisers.
        engine.update()
        if searches:
            self.update_logits(engine)
        self.watch_curvature(step, engine)
