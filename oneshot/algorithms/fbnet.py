"""FBNet: train sampled mixtures with their latency in the loss (CVPR 2019, arXiv 1812.03443)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.gradient import GradientAlgorithm, GradientOptions
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.errors import InvalidOption
from oneshot.mutators.gumbel import GumbelMutator
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from tables.cost.model import CostModel

RECIPE = Recipe(
    epochs=90,
    batch_size=192,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    label_smoothing=0.0,
    schedule="cosine",
)
"""Recipe of the search on 100 classes of ImageNet after the paper's section 4.1.

The authors have published networks and no search (facebookresearch/mobile-vision), so that none of
their code has these numbers, nor those of the options. Other implementations of the paper have the
same ones.
"""


@dataclass(frozen=True)
class FbnetOptions(GradientOptions):
    """Options of FBNet.

    The defaults are those of the paper, with the reservation of `RECIPE`. The paper trains the
    weights on 80% of an epoch's images and then the logits on the other 20%; here every fourth
    update of the weights comes with one of the logits, which is the same fraction.

    Args:
        temperature: Temperature of the Gumbel-softmax in the first epoch (section 4.1: 5).
        annealing: Factor of the temperature from epoch to epoch (exp(-0.045) is 0.956); a schedule
            of the temperature takes its place.
        alpha: Factor of the loss CE alpha log(cost)^beta (equation 5).
        beta: Exponent of the same loss.
        scale: Factor of the cost before the logarithm (1000: from milliseconds to microseconds).
    """

    arch_learning_rate: float = 0.01
    arch_betas: tuple[float, float] = (0.9, 0.999)
    arch_weight_decay: float = 5e-4
    arch_every: int = 4
    arch_warmup: int = 10
    temperature: float = 5.0
    annealing: float = 0.956
    alpha: float = 0.2
    beta: float = 0.6
    scale: float = 1000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("temperature", "alpha", "scale"):
            if not getattr(self, name) > 0:
                raise InvalidOption(f"{name} must be positive, not {getattr(self, name)}")

        if not 0 < self.annealing <= 1:
            raise InvalidOption(f"annealing must lie in (0, 1], not {self.annealing}")
        if self.beta < 0:
            raise InvalidOption(f"beta must be at least 0, not {self.beta}")


@register_algorithm("fbnet")
class Fbnet(GradientAlgorithm):
    """Trains sampled mixtures by the product of their cross-entropy and their cost's logarithm.

    Args:
        setting: Model, images and costs; without a cost the loss is the cross-entropy alone.
        options: Options of FBNet.

    Raises:
        InvalidOption: The least cost of the space, scaled, is not above 1, so that the loss is not
            defined.
    """

    presets: ClassVar[dict[str, Preset]] = {"default": Preset(FbnetOptions(), RECIPE)}
    affine_supernet = True
    options: FbnetOptions
    mutator: GumbelMutator

    def __init__(self, setting: Setting, options: FbnetOptions):
        if setting.cost is not None:
            check_scale(setting.cost, options.scale)

        mutator = GumbelMutator(setting.model, init_ratio=options.arch_init, seed=setting.seed)
        super().__init__(setting, options, mutator)
        if setting.cost is not None:
            mutator.check_cost(setting.cost)

    def before_step(self, step: int) -> None:
        """Seed the mutator, and set its temperature."""
        super().before_step(step)
        temperature = self.options.temperature
        # Section 4.1: the temperature falls exponentially, once per epoch.
        if "temperature" not in self.setting.schedules:
            temperature *= self.options.annealing ** (step // self.setting.steps_per_epoch)
        self.mutator.temperature = temperature

    def architecture_loss(self, inputs: Tensor, targets: Any) -> Tensor:
        """Return CE alpha log(cost)^beta with the cost of the sampled mixture.

        arXiv 1812.03443, equations 4 and 5. It is the task's loss alone where there is no cost.
        """
        error = super().architecture_loss(inputs, targets)
        options = self.options
        if self.setting.cost is None:
            return error

        # The same sample as in the forward pass, so that accuracy and cost belong together.
        cost = self.mutator.drawn_cost(self.setting.cost) * options.scale
        return error * options.alpha * torch.log(cost) ** options.beta


def check_scale(cost: CostModel, scale: float) -> None:
    """Raise InvalidOption unless the logarithms of all scaled costs are positive."""
    # A power of a negative logarithm is not a number.
    least = cost.bounds()[0].value
    if not least * scale > 1:
        raise InvalidOption(
            f"scale must make every cost more than 1, not {scale:g}: the least {cost.metric} is"
            f" {least:g} {cost.unit}"
        )
