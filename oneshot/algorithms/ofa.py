"""Single-stage Once-for-All: all sub-networks of one set of weights trained together.

Elastic depth, kernel, expansion and resolution: Cai et al., ICLR 2020 (arXiv 1908.09791). The
sandwich rule and in-place distillation, with which one stage is enough: Yu and Huang, ICCV 2019
(arXiv 1903.05134); Yu et al., ECCV 2020 (BigNAS, arXiv 2003.11142).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

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
"""Of the largest network on ImageNet, which here is that of all at once.

Decay, smoothing, Nesterov's momentum, the cosine and 32 x 64 images are those of the release
(mit-han-lab/once-for-all, train_ofa_net.py), which trains the smaller networks only. Epochs and
learning rate are told after arXiv 1908.09791, section 4.1; no script of the release has them.
"""

TINY_RECIPE = Recipe(
    epochs=30,
    batch_size=64,
    learning_rate=0.05,
    weight_decay=3e-5,
    schedule="cosine",
    nesterov=True,
)

_SEEN = 4096  # architectures whose frequencies are told as probabilities


@dataclass(frozen=True)
class OfaOptions:
    """Options of the single-stage training.

    Args:
        samples: random sub-networks of an update, beside the largest and the smallest. BigNAS has
            no release; 2 is what facebookresearch/AttentiveNAS takes (`num_arch_training: 4`).
        sandwich: whether the largest and the smallest are trained in every update.
        distillation: share of the sub-networks' loss that is the cross-entropy with the largest
            network's probabilities; the rest is that with the labels. Needs the sandwich.
        largest_epochs: epochs at the beginning in which the largest network alone is trained; then
            its channels are sorted by importance.
        selection: sub-networks among which the returned one is chosen, on held-out images.
        selection_batches: held-out batches that they are compared on.
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
    """Leaves the model to `activate`: resolution is no mutable, and a sub-network is one
    decision.
    """

    def bind(self) -> None:
        """Nothing."""


@register_algorithm("ofa")
class Ofa(ArchitectureAlgorithm):
    """Trains the largest, the smallest and some random sub-networks in every update, the smaller
    ones by the largest.

    The product is the supernet, of which every part can be used; the architecture that is returned
    is the best of some on held-out images, within the constraint where one is given.

    Args:
        setting: what is trained, on what; the model is an elastic supernet.
        options: of the training.

    Raises:
        InvalidOption: the model is another kind of supernet.
    """

    presets = {  # noqa: RUF012
        "default": Preset(OfaOptions(), RECIPE),
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
        super().__init__(setting, _Unbound(model, init_type="zeros", seed=setting.seed))
        self.supernet, self.options, self.elastic = model, options, elastic
        self.paths = SandwichPaths(model.space, setting.seed, options.samples, options.sandwich)

    # Training

    def path_digest(self, step: int, count: int) -> int:
        """Of the paths of the coming updates."""
        return self.paths.digest(step, count)

    def trains_largest_only(self, step: int) -> bool:
        """Whether update `step` is one of the largest network alone."""
        return step // self.setting.steps_per_epoch < self.options.largest_epochs

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """One update on the sum of the gradients of all sub-networks, the largest first."""
        self.note_rank(engine)
        if (
            self.options.largest_epochs
            and step == self.options.largest_epochs * self.setting.steps_per_epoch
        ):
            self._sort(engine)
        rows = self.paths.of(step)
        if self.trains_largest_only(step):
            rows = self.paths.largest[None]
        for images, labels in batches:
            soft: Tensor | None = None
            for number, row in enumerate(rows):
                self.supernet.activate(row)
                with engine.autocast():
                    logits = self.model(images).float()
                    loss = self._loss(logits, labels, soft)
                if number == 0:
                    engine.note(loss, logits, labels)
                    if self.options.sandwich:
                        soft = logits.detach().softmax(1)
                engine.backward(loss / len(batches))
        engine.update()

    def _loss(self, logits: Tensor, labels: Tensor, soft: Tensor | None) -> Tensor:
        """Cross-entropy with the labels, and with the largest network's probabilities [b, classes]
        where given.
        """
        share = self.options.distillation if soft is not None else 0.0
        loss = logits.new_zeros(())
        if share < 1:
            smoothing = self.recipe.label_smoothing
            loss = loss + (1 - share) * functional.cross_entropy(
                logits, labels, label_smoothing=smoothing
            )
        if soft is not None and share > 0:
            loss = loss + share * functional.cross_entropy(logits, soft)
        return loss

    def _sort(self, engine: Engine) -> None:
        self.elastic.sort_channels()
        # Momenta are of the old order.
        for state in engine.optimizers[0].state.values():
            if state.get("momentum_buffer") is not None:
                state["momentum_buffer"].zero_()

    # What is returned

    @cached_property
    def compared(self) -> Codes:
        """The sub-networks among which the returned one is chosen, codes [n, choices]."""
        space, rng = self.supernet.space, np.random.default_rng([self.setting.seed, 11])
        constraint = self.setting.constraint
        if constraint is not None:
            return feasible_sample(
                space, [constraint], rng, self.options.selection, self._cheapest()
            )
        ends = np.stack([self.paths.largest, self.paths.smallest])
        found = np.concatenate([ends, space.sample(rng, self.options.selection)])[
            : self.options.selection
        ]
        return np.asfortranarray(found, dtype=space.dtype)

    def _cheapest(self) -> Codes:
        assert self.setting.constraint is not None
        return self.supernet.space.encode([self.setting.constraint.model.bounds()[0].architecture])

    def codes(self) -> dict[str, int]:
        """The sub-network with the least cross-entropy on held-out batches, of those compared: key
        -> code.
        """
        losses = self.losses(self.compared)
        row = self.compared[int(losses.argmin())]
        return {
            choice.key: int(code)
            for choice, code in zip(self.supernet.space.choices, row, strict=True)
        }

    @torch.no_grad()
    def losses(self, codes: Codes) -> torch.Tensor:
        """Cross-entropies [n] of sub-networks, codes [n, choices], on held-out images, normalised
        by each batch.
        """
        device = next(self.model.parameters()).device
        batches = [self.held_out.batch(number) for number in range(self.options.selection_batches)]
        found = torch.zeros(len(codes))
        with by_batch(self.model):
            for place, row in enumerate(codes):
                self.supernet.activate(row)
                for images, labels in batches:
                    logits = self.model(images.to(device)).float()
                    found[place] += functional.cross_entropy(logits, labels.to(device)).cpu() / len(
                        batches
                    )
        return found

    def report(self) -> dict[str, Any]:
        """The architecture as of now, how often sub-networks with each candidate are trained, and
        costs.
        """
        space = self.supernet.space
        codes = self.codes()
        row = np.array([[codes[choice.key] for choice in space.choices]])
        found: dict[str, Any] = {
            "architecture": {
                choice.key: choice.candidates[codes[choice.key]] for choice in space.choices
            },
            "probabilities": self.probabilities(),
        }
        cost = self.setting.cost
        if cost is not None:
            found["metric"], found["unit"] = cost.metric, cost.unit
            found["predicted_cost"] = float(cost.estimate(row)[0])
            found["expected_cost"] = self.expected_cost()
        return found

    @cached_property
    def _drawn(self) -> Codes:
        return self.supernet.space.sample(np.random.default_rng([self.setting.seed, 13]), _SEEN)

    def probabilities(self) -> dict[str, dict[str, float]]:
        """How often random sub-networks have each candidate, of 4096: choice -> candidate ->
        share.
        """
        found = {}
        for column, choice in enumerate(self.supernet.space.choices):
            counts = np.bincount(self._drawn[:, column], minlength=len(choice.candidates)) / len(
                self._drawn
            )
            found[choice.key] = dict(zip(map(str, choice.candidates), counts.tolist(), strict=True))
        return found

    def expected_cost(self) -> float | None:
        """The mean cost of 4096 random sub-networks."""
        assert self.setting.cost is not None
        return float(self.setting.cost.estimate(self._drawn).mean())
