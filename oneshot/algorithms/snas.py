"""SNAS: weights and drawn mixtures trained by one loss (Xie et al., ICLR 2019, arXiv
1812.09926).
"""

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
"""Of the search on CIFAR-10: that of DARTS but for the epochs (SNAS-Series/SNAS-Series,
SNAS/train_search.py).
"""


@dataclass(frozen=True)
class SnasOptions(GradientOptions):
    """Options of SNAS with the defaults of the release's search with 8 cells (SNAS/README.md,
    SNAS/train_search.py).

    Args:
        first_temperature: of the first update; falls linearly (`Temp_Scheduler` of SNAS/utils.py).
        last_temperature: of the last update.
        resource: weight of the logarithm of the drawn cost in the loss, where a cost is given.
    """

    arch_init: float = 0.01
    least_learning_rate: float = 0.001

    first_temperature: float = 1.0
    last_temperature: float = 0.03
    resource: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperatures(self.first_temperature, self.last_temperature)
        if self.resource < 0:
            raise InvalidOption(f"resource must be at least 0, not {self.resource}")


@register_algorithm("snas")
class Snas(GradientAlgorithm):
    """Trains weights and logits at once, on training images alone; the most probable candidates are
    returned.

    Args:
        setting: what is trained, on what; the held-out images are not looked at.
        options: of SNAS.
    """

    presets: ClassVar[dict[str, Preset]] = {"default": Preset(SnasOptions(), RECIPE)}
    options: SnasOptions
    mutator: GumbelMutator

    def __init__(self, setting: Setting, options: SnasOptions):
        mutator = GumbelMutator(setting.model, init_ratio=options.arch_init, seed=setting.seed)
        super().__init__(setting, options, mutator)

    def before_step(self, step: int) -> None:
        """Seed the mutator, and set its temperature."""
        super().before_step(step)
        first, last = self.options.first_temperature, self.options.last_temperature
        self.mutator.temperature = first + (last - first) * self.share(step)

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """One step of both, by the same gradient."""
        self.note_rank(engine)
        searches = self.searches(step)
        if searches:
            self.mutator.arch_requires_grad()
        else:
            self.mutator.arch_disable_grad()
        for images, labels in batches:
            self.mutator.reset()
            with engine.autocast():
                loss = self.loss(images, labels, step, engine)
            if searches and self.setting.cost is not None and self.options.resource:
                loss = (
                    loss + self.options.resource * self.mutator.drawn_cost(self.setting.cost).log()
                )
            engine.backward(loss / len(batches))
        engine.update()
        if searches:
            engine.update(1)
