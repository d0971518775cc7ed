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
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.batch_statistics import by_batch
from oneshot.algorithms.ofa_paths import SandwichPaths
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.search.feasible import feasible_sample
from oneshot.training.passes import moved_inputs
from oneshot.training.recipe import Recipe
from spaces.modules.elastic_supernet import elastic_of
from spaces.modules.supernet import Supernet
from spaces.space import Codes

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

# Number of sampled architectures whose frequencies are reported as probabilities.
_SEEN = 4096


@dataclass(frozen=True)
class OfaOptions:
    """Options of the single-stage training.

    Args:
        samples: Number of random sub-networks per update, in addition to the largest and the
            smallest. BigNAS has no release; 2 is the number of facebookresearch/AttentiveNAS
            (`num_arch_training: 4`).
        sandwich: Whether the largest and the smallest sub-network are trained in every update.
        distillation: Fraction of the sub-networks' loss that is the cross-entropy with the largest
            network's probabilities, in place of the labels; above 0 it needs the sandwich.
        largest_epochs: Number of first epochs in which only the largest network is trained; then
            its channels are sorted by importance.
        selection: Number of sub-networks that are compared on held-out images; the best one is
            returned.
        selection_batches: Number of held-out batches on which they are compared.
    """

    samples: int = 2
    sandwich: bool = True
    distillation: float = 1.0
    largest_epochs: int = 0
    selection: int = 16
    selection_batches: int = 2

    def __post_init__(self) -> None:
        for name, least in (
            ("samples", 0),
            ("largest_epochs", 0),
            ("selection", 1),
            ("selection_batches", 1),
        ):
            if getattr(self, name) < least:
                raise InvalidOption(f"{name} must be at least {least}, not {getattr(self, name)}")

        if not 0 <= self.distillation <= 1:
            raise InvalidOption(f"distillation must lie in [0, 1], not {self.distillation}")
        if self.distillation and not self.sandwich:
            raise InvalidOption(
                "distillation needs the largest network, which sandwich trains; give distillation=0"
            )
        if not self.sandwich and not self.samples:
            raise InvalidOption("samples must be at least 1 where sandwich is off")


class _Unbound(ArchitectureMutator):
    """Mutator that leaves sub-networks to `Supernet.activate`.

    The resolution has no mutable, and a sub-network is one decision.
    """

    def bind(self) -> None:
        """Bind nothing."""


@register_algorithm("ofa")
class Ofa(ArchitectureAlgorithm):
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

    def __init__(self, setting: Setting, options: OfaOptions):
        model = setting.model
        elastic = elastic_of(model)
        if elastic is None or not isinstance(model, Supernet):
            raise InvalidOption(
                "ofa trains elastic supernets: of the spaces ofa-mobilenetv3 and ofa-proxyless"
            )

        if options.distillation and not setting.task.distils:
            raise InvalidOption(
                f"distillation: the task {setting.task.name} has none; give distillation=0"
            )

        super().__init__(setting, _Unbound(model, init_type="zeros", seed=setting.seed))
        self.supernet = model
        self.options = options
        self.elastic = elastic
        self.paths = SandwichPaths(model.space, setting.seed, options.samples, options.sandwich)

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
            self._sort(engine)

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
                        soft = self.task.soft_targets(outputs)
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
        losses = []
        if fraction < 1:
            loss = self.task.loss(outputs, targets, self.recipe.label_smoothing)
            losses.append((1 - fraction) * loss)
        if soft is not None:
            losses.append(fraction * self.task.distillation_loss(outputs, soft))
        return functools.reduce(operator.add, losses)

    def _sort(self, engine: Engine) -> None:
        """Sort the channels by importance, and forget the momenta."""
        self.elastic.sort_channels()

        # The momenta are in the order of the channels before.
        for state in engine.optimizers[0].state.values():
            if state.get("momentum_buffer") is not None:
                state["momentum_buffer"].zero_()

    # Results

    @cached_property
    def compared(self) -> Codes:
        """Sub-networks of which the best is returned, codes [n, choices]."""
        space = self.supernet.space
        # The second number separates this generator from the others of the same seed.
        rng = np.random.default_rng([self.setting.seed, 11])
        constraint = self.setting.constraint
        if constraint is not None:
            return feasible_sample(
                space, [constraint], rng, self.options.selection, self._cheapest()
            )

        extremes = np.stack([self.paths.largest, self.paths.smallest])
        codes = np.concatenate([extremes, space.sample(rng, self.options.selection)])[
            : self.options.selection
        ]
        return np.asfortranarray(codes, dtype=space.dtype)

    def _cheapest(self) -> Codes:
        """Return the codes [1, choices] of the sub-network with the least constrained cost."""
        assert self.setting.constraint is not None
        return self.supernet.space.encode([self.setting.constraint.model.bounds()[0].architecture])

    def codes(self) -> dict[str, int]:
        """Return the compared sub-network with the least held-out loss, as key -> code."""
        losses = self.losses(self.compared)
        row = self.compared[int(losses.argmin())]
        return {
            choice.key: int(code)
            for choice, code in zip(self.supernet.space.choices, row, strict=True)
        }

    @torch.no_grad()
    def losses(self, codes: Codes) -> torch.Tensor:
        """Return the task's losses of sub-networks on held-out images.

        Batch normalisation uses the statistics of each batch.

        Args:
            codes: Codes of the sub-networks [n, choices].

        Returns:
            Mean losses [n].
        """
        device = next(self.model.parameters()).device
        batches = [self.held_out.batch(number) for number in range(self.options.selection_batches)]

        losses = torch.zeros(len(codes))
        with by_batch(self.model):
            for index, row in enumerate(codes):
                self.supernet.activate(row)
                for inputs, targets in batches:
                    loss = self.passes.held_out(
                        self.model,
                        moved_inputs(inputs, device),
                        functools.partial(self.task.loss, targets=targets.to(device)),
                    )
                    losses[index] += loss.cpu() / len(batches)

        return losses

    def report(self) -> dict[str, Any]:
        """Return the current architecture, the frequencies of the candidates, and the costs."""
        space = self.supernet.space
        codes = self.codes()
        row = np.array([[codes[choice.key] for choice in space.choices]])

        report: dict[str, Any] = {
            "architecture": {
                choice.key: choice.candidates[codes[choice.key]] for choice in space.choices
            },
            "probabilities": self.probabilities(),
        }

        cost = self.setting.cost
        if cost is not None:
            report["metric"] = cost.metric
            report["unit"] = cost.unit
            report["predicted_cost"] = float(cost.estimate(row)[0])
            report["expected_cost"] = self.expected_cost()

        return report

    @cached_property
    def _drawn(self) -> Codes:
        """Random sub-networks from the distribution of the training, codes [4096, choices]."""
        return self.supernet.space.sample(np.random.default_rng([self.setting.seed, 13]), _SEEN)

    def probabilities(self) -> dict[str, dict[str, float]]:
        """Return the frequencies of candidates in 4096 random sub-networks, by choice."""
        # Counted rather than computed: in an irregular space the codes are not independent.
        frequencies = {}
        for column, choice in enumerate(self.supernet.space.choices):
            counts = np.bincount(self._drawn[:, column], minlength=len(choice.candidates)) / len(
                self._drawn
            )
            frequencies[choice.key] = dict(
                zip(map(str, choice.candidates), counts.tolist(), strict=True)
            )

        return frequencies

    def expected_cost(self) -> float | None:
        """Return the mean cost of 4096 random sub-networks."""
        assert self.setting.cost is not None
        return float(self.setting.cost.estimate(self._drawn).mean())
