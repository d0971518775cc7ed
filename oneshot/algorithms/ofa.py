"""Single-stage Once-for-All: train all sub-networks of one set of weights together.

Elastic depth, kernel, expansion and resolution are those of Cai et al., ICLR 2020 (arXiv
1908.09791). The sandwich rule and in-place distillation make one stage enough: Yu and Huang, ICCV
2019 (arXiv 1903.05134); Yu et al., ECCV 2020 (BigNAS, arXiv 2003.11142).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.elastic import ElasticOptions, ElasticTraining
from oneshot.algorithms.ofa_paths import SandwichPaths
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from oneshot.training.engine import Engine

RECIPE = Recipe(
    epochs=180,
    batch_size=2048,
    learning_rate=2.6,
    weight_decay=3e-5,
    label_smoothing=0.1,
    schedule="cosine",
    nesterov=True,
)
"""Recipe of the largest network on ImageNet, with which all sub-networks are trained here.

Decay, smoothing, Nesterov's momentum, the cosine and 32 x 64 images are those of the release
(mit-han-lab/once-for-all, train_ofa_net.py), which trains the smaller networks only. Epochs and
learning rate are those of the largest network's own training in arXiv 1908.09791, section 4.1; no
script of the release has them, and its elastic stages have lower rates (the preset `expand`).
"""

TINY_RECIPE = Recipe(
    epochs=30,
    batch_size=64,
    learning_rate=0.05,
    weight_decay=3e-5,
    schedule="cosine",
    nesterov=True,
)


@dataclass(frozen=True)
class OfaOptions(ElasticOptions):
    """Options of the single-stage training.

    Args:
        samples: Number of random sub-networks per update, in addition to the largest and the
            smallest. BigNAS has no release; 2 is the number of facebookresearch/AttentiveNAS
            (`num_arch_training: 4`).
        sandwich: Whether the largest and the smallest sub-network are trained in every update.
        distillation: Fraction of the sub-networks' loss that is the cross-entropy with the largest
            network's probabilities, in place of the labels; above 0 it needs the sandwich. Where
            the teacher cannot replace the labels, as of detectors, the factor of its added loss.
        largest_epochs: Number of first epochs in which only the largest network is trained; then
            its channels are sorted by importance.
    """

    read_once: ClassVar[frozenset[str]] = ElasticOptions.read_once | {"samples", "largest_epochs"}

    samples: int = 2
    sandwich: bool = True
    distillation: float = 1.0
    largest_epochs: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("samples", "largest_epochs"):
            self.require(name, 0)

        if not 0 <= self.distillation <= 1:
            raise InvalidOption(f"distillation must lie in [0, 1], not {self.distillation}")
        if self.distillation and not self.sandwich:
            raise InvalidOption(
                "distillation needs the largest network, which sandwich trains; give distillation=0"
            )
        if not self.sandwich and not self.samples:
            raise InvalidOption("samples must be at least 1 where sandwich is off")


@register_algorithm("ofa")
class Ofa(ElasticTraining):
    """Trains the largest, the smallest and random sub-networks in every update.

    The smaller ones learn from the largest. The product is the supernet, of which every
    sub-network can be used. The returned architecture is the best of several on held-out images,
    within the constraint if there is one.

    Args:
        setting: Model, images and costs; the model is an elastic supernet.
        options: Options of the training.

    Raises:
        InvalidOption: The model is not an elastic supernet.
    """

    presets = {  # noqa: RUF012
        "default": Preset(OfaOptions(), RECIPE),
        # Rate and epochs of the release's last elastic stage, which has four sub-networks as well.
        "expand": Preset(OfaOptions(), replace(RECIPE, epochs=120, learning_rate=0.0075 * 32)),
        "sorted": Preset(OfaOptions(largest_epochs=5), RECIPE),
        "labels": Preset(OfaOptions(samples=4, sandwich=False, distillation=0.0), RECIPE),
        "tiny": Preset(OfaOptions(samples=1, selection=8, selection_batches=1), TINY_RECIPE),
    }

    options: OfaOptions

    def __init__(self, setting: Setting, options: OfaOptions):
        super().__init__(setting, options)
        if options.distillation and not setting.task.distils:
            raise InvalidOption(
                f"distillation: the task {setting.task.name} has none; give distillation=0"
            )

        self.options = options
        space = self.supernet.space
        self.paths = SandwichPaths(space, setting.seed, options.samples, options.sandwich)

    # Training

    def path_digest(self, step: int, count: int) -> int:
        """Return 62 bits of the SHA-256 of the paths of `count` updates from `step` on."""
        return self.paths.digest(step, count)

    def trains_largest_only(self, step: int) -> bool:
        """Return whether update `step` trains only the largest network."""
        return step // self.setting.steps_per_epoch < self.options.largest_epochs

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights by the summed gradients of all sub-networks, the largest first."""
        self.note_rank(engine)

        # Once, between the two phases.
        if (
            self.options.largest_epochs
            and step == self.options.largest_epochs * self.setting.steps_per_epoch
        ):
            self.sort_channels(engine)

        rows = self.paths.of(step)
        if self.trains_largest_only(step):
            rows = self.paths.largest[None]

        for inputs, targets in batches:
            soft: Any = None
            for number, row in enumerate(rows):
                self.supernet.activate(row)
                self.passes.rewind()
                with engine.autocast():
                    loss, outputs = self.passes.loss(
                        self.model,
                        inputs,
                        functools.partial(self._loss, targets=targets, soft=soft),
                    )

                # In-place distillation: the others learn from the first one's outputs.
                if number == 0:
                    engine.note(loss, outputs, targets)
                    if self.options.distillation:
                        soft = self.task.soft_targets(outputs, targets)
                engine.backward(loss / len(batches))
            self.passes.commit()

        engine.update()

    def _loss(self, outputs: Any, targets: Any, soft: Any) -> Tensor:
        """Return the loss of a sub-network.

        Args:
            outputs: Outputs of the sub-network.
            targets: Targets of the inputs [b].
            soft: Soft targets of the largest network; None: targets only.
        """
        fraction = self.options.distillation if soft is not None else 0.0
        weight = 1 - fraction if self.task.distils_everything else 1.0
        losses = []
        if weight:
            loss = self.task.loss(outputs, targets, self.recipe.label_smoothing)
            losses.append(weight * loss)
        if soft is not None:
            losses.append(fraction * self.task.distillation_loss(outputs, soft))
        return functools.reduce(operator.add, losses)
