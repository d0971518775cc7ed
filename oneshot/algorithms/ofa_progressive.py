"""Once-for-All's progressive shrinking: elastic kernels, then depths, then expansions.

Cai et al., ICLR 2020 (arXiv 1908.09791), section 3.4; mit-han-lab/once-for-all, train_ofa_net.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.elastic import ElasticOptions, ElasticTraining, forget_momenta
from oneshot.algorithms.ofa import RECIPE, TINY_RECIPE
from oneshot.algorithms.ofa_paths import greatest, restricted_sample
from oneshot.algorithms.ofa_stages import EPOCHS, STAGES
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.samplers.base import paths_digest
from oneshot.training.engine import Engine
from oneshot.training.optimisation import make_optimizer
from oneshot.training.passes import single_precision
from spaces.chains.resolution import RESOLUTION
from spaces.modules.copying import copy_module
from spaces.modules.supernet import Supernet
from spaces.space import Codes

_LAYER = re.compile(r"k\d+e(?P<expansion>\d+)")


@dataclass(frozen=True)
class ProgressiveOptions(ElasticOptions):
    """Options of the progressive shrinking.

    Args:
        distillation: Factor of the cross-entropy with the probabilities of the largest network,
            which is added to that with the labels.
    """

    distillation: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distillation < 0:
            raise InvalidOption(f"distillation must be at least 0, not {self.distillation}")


@register_algorithm("ofa-progressive")
class OfaProgressive(ElasticTraining):
    """Trains the largest network, and then shrinks it by kernels, depths and expansions in turn.

    The sub-networks learn from the labels and from the largest network as the first stage left it.
    A training of other epochs divides them in the proportions of the release's stages.

    Args:
        setting: Model, images and costs; the model is an elastic supernet.
        options: Options of the training.

    Raises:
        InvalidOption: The model is not an elastic supernet.
    """

    presets = {  # noqa: RUF012
        "default": Preset(ProgressiveOptions(), replace(RECIPE, epochs=EPOCHS)),
        "tiny": Preset(ProgressiveOptions(selection=8, selection_batches=1), TINY_RECIPE),
    }

    options: ProgressiveOptions

    def __init__(self, setting: Setting, options: ProgressiveOptions):
        super().__init__(setting, options)
        task = setting.task
        if options.distillation and (task.carries_state or not task.distils):
            raise InvalidOption(f"distillation: the task {task.name} has none; give distillation=0")
        if setting.recipe.warmup:
            raise InvalidOption(
                f"warmup must be 0, not {setting.recipe.warmup}: the stages have their own"
            )

        self.options = options
        self.num_updates = setting.recipe.updates(setting.steps_per_epoch)
        self._teacher: Supernet | None = None

    # Stages

    @property
    def bounds(self) -> list[int]:
        """First update of each stage, and the number of all updates."""
        ends = np.cumsum([0, *(stage.epochs for stage in STAGES)]) / EPOCHS
        return [round(end * self.num_updates) for end in ends.tolist()]

    def stage_index(self, step: int) -> int:
        """Return the index of the stage of an update."""
        return int(np.searchsorted(self.bounds[1:-1], step, side="right"))

    def rate_fraction(self, step: int) -> float:
        """Return the learning rate of an update as a fraction of the recipe's."""
        index = self.stage_index(min(step, self.num_updates - 1))
        stage = STAGES[index]
        begin, end = self.bounds[index : index + 2]
        warmup = round(stage.warmup / stage.epochs * (end - begin))
        recipe = replace(self.recipe, warmup=warmup)
        return stage.rate / STAGES[0].rate * recipe.rate_fraction(step - begin, end - begin)

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return SGD, whose rate follows the stages."""
        self.steps = self.num_updates = steps
        optimizer, _ = make_optimizer(self.model, replace(self.recipe, warmup=0), steps)
        return [(optimizer, LambdaLR(optimizer, lambda step: self.rate_fraction(step)))]

    # Training

    def rows(self, step: int) -> Codes:
        """Return the sub-networks [paths, choices] of an update, from its number and the seed."""
        stage = STAGES[self.stage_index(step)]
        # The last number separates this generator from the others of the same seed.
        rng = np.random.default_rng([self.setting.seed, step, 17])
        return restricted_sample(
            self.supernet.space,
            rng,
            stage.sub_networks,
            stage.kernels,
            stage.depths,
            stage.expansions,
        )

    def path_digest(self, step: int, count: int) -> int:
        """Return 62 bits of the SHA-256 of the paths of `count` updates from `step` on."""
        last = min(step + count, self.num_updates)
        return paths_digest(np.concatenate([self.rows(number) for number in range(step, last)]))

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights by the summed gradients of a stage's sub-networks."""
        self.note_rank(engine)
        index = self.stage_index(step)
        if index and step == self.bounds[index]:
            self._begin(index, engine)

        rows = self.rows(step)
        for inputs, targets in batches:
            soft = self._soft_targets(inputs, targets, rows[0], engine)
            for number, row in enumerate(rows):
                self.supernet.activate(row)
                self.passes.rewind()
                with engine.autocast():
                    loss, outputs = self.passes.loss(
                        self.model, inputs, partial(self._loss, targets=targets, soft=soft)
                    )

                if number == 0:
                    engine.note(loss, outputs, targets)

                engine.backward(loss / len(batches))

            self.passes.commit()

        engine.update()

    def _begin(self, index: int, engine: Engine) -> None:
        """Prepare the first update of a stage, which is a training of its own in the release."""
        if self._teacher is None:
            self._teacher = frozen_copy(self.supernet)
        if STAGES[index].sorts:
            self.sort_channels(engine, self._trained_expansion(index))
        forget_momenta(engine)

    def _trained_expansion(self, index: int) -> int | None:
        """Return the least expansion of the stage before; None: it had the greatest only."""
        count = STAGES[index - 1].expansions
        sizes = self.expansions[-count:]
        return sizes[0] if count > 1 and sizes[0] < self.expansions[-1] else None

    @cached_property
    def expansions(self) -> list[int]:
        """Expansions of the space's layers, in ascending order."""
        names = {str(name) for choice in self.supernet.space.choices for name in choice.candidates}
        # Candidates of a head, such as k3w0.5, have a kernel and a width.
        layers = filter(None, map(_LAYER.fullmatch, names))
        return sorted({int(layer["expansion"]) for layer in layers})

    @torch.no_grad()
    def _soft_targets(self, inputs: Any, targets: Any, row: Codes, engine: Engine) -> Any:
        """Return what the largest network teaches; None in its own training."""
        if self._teacher is None or not self.options.distillation:
            return None

        largest = greatest(self.supernet.space)
        # At the resolution that the sub-networks of the update have.
        if self.supernet.space.choices[0].key == RESOLUTION:
            largest[0] = row[0]

        self._teacher.activate(largest)

        with engine.autocast():
            outputs = single_precision(self._teacher(inputs))

        return self.task.soft_targets(outputs, targets)

    def _loss(self, outputs: Any, targets: Any, soft: Any) -> Tensor:
        loss = self.task.loss(outputs, targets, self.recipe.label_smoothing)
        if soft is None:
            return loss
        return loss + self.options.distillation * self.task.distillation_loss(outputs, soft)

    # Checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Return the weights of the largest network after its own training, once there are any."""
        state = super().state_dict()
        if self._teacher is not None:
            state["teacher"] = self._teacher.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        super().load_state_dict(state)
        if "teacher" in state:
            self._teacher = frozen_copy(self.supernet)
            self._teacher.load_state_dict(state["teacher"])

    def to(self, device: Any) -> None:
        """Move the largest network and the mutator to a device."""
        super().to(device)
        if self._teacher is not None:
            self._teacher.to(device)


def frozen_copy(supernet: Supernet) -> Supernet:
    """Return a copy that is not trained; as in the release it normalises by its batches."""
    copy = copy_module(supernet)
    assert isinstance(copy, Supernet)
    for parameter in copy.parameters():
        parameter.requires_grad_(False)

    for module in copy.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.track_running_stats = False

    return copy.train()
