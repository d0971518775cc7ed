"""GDAS: one drawn path a step, gradients through Gumbel-softmax (Dong and Yang, CVPR 2019, arXiv
1910.04465).
"""

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
"""Of the search for cells as those of DARTS on CIFAR-10, as the release has it
(D-X-Y/AutoDL-Projects, configs/search-opts/GDAS-NASNet-CIFAR.config; the bound of the gradients is
in exps/algos/GDAS.py).
"""

CELLS_201 = replace(RECIPE, epochs=240, batch_size=64)
"""Of the search on NAS-Bench-201, as its authors ran it (the same,
configs/nas-benchmark/algos/GDAS.config).
"""


@dataclass(frozen=True)
class GdasOptions(GradientOptions):
    """Options of GDAS with the defaults of the release
    (scripts-search/GDAS-search-NASNet-space.sh).

    Args:
        first_temperature: of the first update; falls linearly.
        last_temperature: of the last update.
    """

    first_temperature: float = 10.0
    last_temperature: float = 0.1
    least_learning_rate: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperatures(self.first_temperature, self.last_temperature)


@register_algorithm("gdas")
class Gdas(GradientAlgorithm):
    """Trains one drawn path at a time; the most probable candidates are returned.

    The release adds the weights of candidates that were not drawn to the output as bare zeros,
    which gives their logits the gradient of a constant; here, as in the paper, only the drawn
    candidate counts.

    Args:
        setting: what is trained, on what.
        options: of GDAS.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "default": Preset(GdasOptions(), RECIPE),
        "nasbench201": Preset(GdasOptions(), CELLS_201),
    }
    options: GdasOptions
    mutator: HardGumbelMutator

    def __init__(self, setting: Setting, options: GdasOptions):
        mutator = HardGumbelMutator(setting.model, init_ratio=options.arch_init, seed=setting.seed)
        super().__init__(setting, options, mutator)

    def before_step(self, step: int) -> None:
        """Seed the mutator, and set its temperature."""
        super().before_step(step)
        first, last = self.options.first_temperature, self.options.last_temperature
        self.mutator.temperature = first + (last - first) * self.share(step)
