"""GDAS: sample one path per step by a hard Gumbel-softmax (CVPR 2019, arXiv 1910.04465)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.gradient import GradientAlgorithm, GradientOptions
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.mutators.gumbel import HardGumbelMutator, check_temperatures
from oneshot.training.recipe import Recipe

RECIPE = Recipe(
    epochs=250,
    batch_size=256,
    learning_rate=0.025,
    momentum=0.9,
    weight_decay=5e-4,
    label_smoothing=0.0,
    schedule="cosine",
    clip=5.0,
    nesterov=True,
)
"""Recipe of the release's search for cells like those of DARTS on CIFAR-10.

It is that of D-X-Y/AutoDL-Projects, configs/search-opts/GDAS-NASNet-CIFAR.config; the bound of the
gradients is in exps/algos/GDAS.py.
"""

CELLS_201 = replace(RECIPE, batch_size=64)
"""Recipe of the authors' search on NAS-Bench-201.

It is that of configs/nas-benchmark/algos/GDAS.config at its newest commit; the first one had 240
epochs.
"""

HELD_OUT = 0.5
"""Fraction of CIFAR-10's training images that trains the architecture."""


@dataclass(frozen=True)
class GdasOptions(GradientOptions):
    """Options of GDAS.

    The defaults are those of the release (scripts-search/GDAS-search-NASNet-space.sh).

    Args:
        first_temperature: Temperature of the Gumbel-softmax in the first update; it falls linearly.
        last_temperature: Temperature at the end of the training.
    """

    first_temperature: float = 10.0
    last_temperature: float = 0.1
    least_learning_rate: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperatures(self.first_temperature, self.last_temperature)


@register_algorithm("gdas")
class Gdas(GradientAlgorithm):
    """Trains one sampled path at a time and returns the most probable candidates.

    The release adds the weights of candidates that were not sampled to the output as bare zeros,
    which gives their logits the gradient of a constant. Here, as in the paper, only the sampled
    candidate counts.

    Args:
        setting: Model, images and costs.
        options: Options of GDAS.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "default": Preset(GdasOptions(), RECIPE, HELD_OUT),
        "nasbench201": Preset(GdasOptions(), CELLS_201, HELD_OUT),
    }
    searches_published_network = True
    options: GdasOptions
    mutator: HardGumbelMutator

    def __init__(self, setting: Setting, options: GdasOptions):
        mutator = HardGumbelMutator(setting.model, init_ratio=options.arch_init, seed=setting.seed)
        super().__init__(setting, options, mutator)

    def before_step(self, step: int) -> None:
        """Seed the mutator, and set its temperature."""
        super().before_step(step)
        first = self.options.first_temperature
        last = self.options.last_temperature

        # Linear in the updates: early samples explore, late ones are nearly the most probable.
        self.mutator.temperature = first + (last - first) * self.share(step)
