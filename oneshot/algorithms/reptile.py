"""Few-shot search: learn weights and logits that adapt to new classes in a few updates.

Reptile (Nichol et al., 2018, arXiv 1803.02999) or first-order MAML (Finn et al., ICML 2017) over
weights and architecture, as T-NAS (Lian et al., ICLR 2020) does by MAML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.batch_statistics import untracked
from oneshot.algorithms.episodes import (
    Episode,
    Group,
    adapted,
    draw_episode,
    first_order_gradients,
    reptile_gradients,
)
from oneshot.algorithms.gradient import GradientAlgorithm, GradientOptions
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from oneshot.training.engine import Engine

OUTER = ("reptile", "maml")

RECIPE = Recipe(
    epochs=60,
    batch_size=64,
    learning_rate=1.0,
    momentum=0.0,
    weight_decay=0.0,
    label_smoothing=0.0,
)
"""Recipe of the outer updates: Reptile's step from 1 to 0, without momentum (section 6.1)."""

MAML_RECIPE = Recipe(
    epochs=60,
    batch_size=64,
    learning_rate=0.05,
    momentum=0.9,
    weight_decay=0.0,
    label_smoothing=0.0,
    clip=5.0,
)


@dataclass(frozen=True)
class ReptileOptions(GradientOptions):
    """Options of few-shot search.

    The rates of the adaptation are those of T-NAS in aw_nas
    (examples/fewshot/tnas_5way_1shot_reptile.yaml).

    Args:
        outer: Gradient of the outer updates: `reptile`, the way back from the adapted parameters,
            or `maml`, the query's gradient at these.
        ways: Number of classes of an episode.
        shots: Number of images of each class to adapt to; all others of the batch are the query.
        inner_steps: Number of updates of an adaptation.
        inner_learning_rate: Learning rate of the weights in an adaptation.
        inner_arch_learning_rate: Learning rate of the logits in an adaptation.
    """

    arch_learning_rate: float = 1e-3
    arch_weight_decay: float = 0.0

    outer: str = "reptile"
    ways: int = 5
    shots: int = 1
    inner_steps: int = 5
    inner_learning_rate: float = 0.01
    inner_arch_learning_rate: float = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outer not in OUTER:
            raise InvalidOption(f"outer must be one of {', '.join(OUTER)}, not {self.outer!r}")

        for name, least in (("ways", 2), ("shots", 1), ("inner_steps", 1)):
            if getattr(self, name) < least:
                raise InvalidOption(f"{name} must be at least {least}, not {getattr(self, name)}")

        if self.inner_learning_rate <= 0:
            raise InvalidOption(
                f"inner_learning_rate must be positive, not {self.inner_learning_rate}"
            )
        if self.inner_arch_learning_rate < 0:
            raise InvalidOption(
                f"inner_arch_learning_rate must be at least 0, not {self.inner_arch_learning_rate}"
            )


@register_algorithm("reptile")
class Reptile(GradientAlgorithm):
    """Trains a mixture of all candidates so that it adapts to few images of new classes.

    Every update draws an episode of a few classes from its batch. The first `ways` outputs of the
    network are the classes of an episode, in an order of their own. With several processes each
    has an episode of its own, and the gradients are averaged.

    Args:
        setting: Model, images and costs; the task is a classification.
        options: Options of few-shot search.

    Raises:
        InvalidOption: The network has fewer outputs than an episode has classes.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "default": Preset(ReptileOptions(), RECIPE),
        "maml": Preset(ReptileOptions(outer="maml"), MAML_RECIPE),
    }
    searches_published_network = True
    options: ReptileOptions

    def __init__(self, setting: Setting, options: ReptileOptions):
        if setting.task.name != "classification":
            raise InvalidOption(f"reptile learns classifications, not {setting.task.name}")

        mutator = ArchitectureMutator(
            setting.model, init_ratio=options.arch_init, seed=setting.seed
        )
        super().__init__(setting, options, mutator)

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update weights and logits by the gradients of an episode for each part of the batch."""
        # Its gradients bypass the engine's loss scaler, without which fp16 underflows.
        if getattr(engine.fabric.strategy.precision, "scaler", None) is not None:
            raise InvalidOption("precision: few-shot search takes fp32 or bf16, not fp16")

        self.note_rank(engine)
        searches = self.searches(step)
        groups = self._groups(engine, searches)
        parameters = [parameter for group, _ in groups for parameter in group]
        for part, (inputs, targets) in enumerate(batches):
            seeds = [self.setting.seed, step, part, engine.fabric.global_rank, 23]
            episode = self.episode(targets, seeds)
            with untracked(self.model):
                gradients = self._gradients(inputs, episode, groups, engine)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    mean = gradient / len(batches)
                    parameter.grad = mean if parameter.grad is None else parameter.grad + mean

        engine.update()
        if searches:
            self.update_logits(engine)

    def episode(self, targets: Tensor, seeds: Sequence[int]) -> Episode:
        """Draw an episode of the options' size; arguments as of `draw_episode`."""
        state = np.random.SeedSequence(list(seeds)).generate_state(1, np.uint64)[0]
        # torch's seeds are signed: 63 bits.
        generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
        return draw_episode(targets, self.options.ways, self.options.shots, generator)

    def _groups(self, engine: Engine, searches: bool) -> list[Group]:
        """Return the adapted tensors: the weights, and the logits if they are trained."""
        weights = [
            weight for group in engine.optimizers[0].param_groups for weight in group["params"]
        ]
        groups: list[Group] = [(weights, self.options.inner_learning_rate)]
        if searches:
            self.mutator.arch_requires_grad()
            logits = list(self.mutator.arch_parameters())
            groups.append((logits, self.options.inner_arch_learning_rate))
        else:
            self.mutator.arch_disable_grad()
        return groups

    def _gradients(
        self, inputs: Tensor, episode: Episode, groups: Sequence[Group], engine: Engine
    ) -> Sequence[Tensor | None]:
        """Return the gradients of the outer update for one episode."""
        support = self._loss_of(inputs, episode.support, episode.support_labels, engine)
        query = self._loss_of(inputs, episode.query, episode.query_labels, engine, report=True)
        steps = self.options.inner_steps
        if self.options.outer == "maml":
            return first_order_gradients(support, query, groups, steps)

        def report() -> None:
            # Reptile learns nothing from the query, whose loss is for the reports.
            with torch.no_grad():
                query()

        return reptile_gradients(support, groups, steps, report)

    def _loss_of(
        self,
        inputs: Tensor,
        indices: Tensor,
        labels: Tensor,
        engine: Engine,
        report: bool = False,
    ) -> Callable[[], Tensor]:
        """Return a function that computes the loss of some images of the batch."""
        images = inputs[indices.to(inputs.device)]
        targets = labels.to(inputs.device)

        def compute() -> Tensor:
            self.mutator.reset()
            with engine.autocast():
                loss, outputs = self.passes.loss(
                    self.model, images, lambda outputs: self._episode_loss(outputs, targets)
                )
            if report:
                engine.note(loss, outputs[:, : self.options.ways], targets)
            return loss

        return compute

    def _episode_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.shape[1] < self.options.ways:
            raise InvalidOption(
                f"ways: the network has {outputs.shape[1]} outputs, fewer than the"
                f" {self.options.ways} classes of an episode"
            )
        return self.task.loss(outputs[:, : self.options.ways], targets)

    def accuracies(
        self, inputs: Tensor, targets: Tensor, episodes: int, seed: int = 0
    ) -> list[float]:
        """Return the top-1 accuracy of adapted networks in episodes of labelled images.

        The images may be of classes that the training has never seen. Weights and logits are those
        of the training again afterwards.

        Args:
            inputs: Images [n, channels, height, width].
            targets: Their classes [n].
            episodes: Number of episodes.
            seed: Seed of the episodes.

        Returns:
            Percent of each episode's query.
        """
        self.mutator.arch_requires_grad()
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        logits = list(self.mutator.arch_parameters())
        logit_ids = {id(logit) for logit in logits}
        groups: list[Group] = [
            (
                [weight for weight in weights if id(weight) not in logit_ids],
                self.options.inner_learning_rate,
            ),
            (logits, self.options.inner_arch_learning_rate),
        ]

        self.model.train()
        return [
            self._accuracy(inputs, self.episode(targets, [seed, number, 29]), groups)
            for number in range(episodes)
        ]

    def _accuracy(self, inputs: Tensor, episode: Episode, groups: Sequence[Group]) -> float:
        def outputs_of(indices: Tensor) -> Any:
            self.mutator.reset()
            return self.passes.from_start(self.model, inputs[indices.to(inputs.device)])

        labels = episode.support_labels.to(inputs.device)

        def support() -> Tensor:
            return self._episode_loss(outputs_of(episode.support), labels)

        steps = self.options.inner_steps
        with untracked(self.model), adapted(support, groups, steps), torch.no_grad():
            outputs = outputs_of(episode.query)[:, : self.options.ways]
        hits = outputs.argmax(1) == episode.query_labels.to(inputs.device)
        return 100 * float(hits.float().mean())
