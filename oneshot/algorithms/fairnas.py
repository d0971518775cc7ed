"""FairNAS: train every candidate equally often (Chu et al., ICCV 2021, arXiv 1907.01845)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.algorithms.sampled import SampledAlgorithm, SampledMutator, final_batches, rewards
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.mutator import Masks
from oneshot.samplers.base import paths_digest
from oneshot.samplers.fair import fair_paths
from oneshot.training.recipe import Recipe

if TYPE_CHECKING:
    from oneshot.training.engine import Engine

RECIPE = Recipe(
    epochs=150,
    batch_size=256,
    learning_rate=0.045,
    momentum=0.9,
    weight_decay=4e-5,
    label_smoothing=0.0,
    schedule="cosine",
)
"""Recipe of the supernet on ImageNet after the paper's section 4.1.

The release evaluates networks and trains none (xiaomi-automl/FairNAS), so that these numbers could
not be compared with it.
"""

# Number of attempts to fill a generation with architectures that are not rated yet.
_TRIES = 20


@dataclass(frozen=True)
class FairnasOptions:
    """Options of FairNAS.

    The paper searches the trained supernet by NSGA-II (64 networks, 70 generations), as `oneshot
    search` does with the strategy `pareto`. The training itself returns the best of a sample that
    is refined by mutation.

    Args:
        population: Number of architectures per generation, none of which was rated before.
        generations: Number of generations after the random first one; each mutates the best
            quarter of all rated architectures.
        final_images: Number of held-out images on which each architecture is rated; all are rated
            on the same ones.
        mutation: Probability that a mutation replaces a choice by a random candidate.
    """

    population: int = 64
    generations: int = 3
    final_images: int = 2048
    mutation: float = 0.1

    def __post_init__(self) -> None:
        for name, least in (("population", 4), ("generations", 0), ("final_images", 1)):
            if getattr(self, name) < least:
                raise InvalidOption(f"{name} must be at least {least}, not {getattr(self, name)}")

        if not 0 < self.mutation <= 1:
            raise InvalidOption(f"mutation must lie in (0, 1], not {self.mutation}")


class FairMutator(SampledMutator):
    """Runs paths that follow a permutation of each key's candidates, so that all are run equally.

    It samples as `oneshot.samplers.Fair`, but by the keys of any model.

    Args:
        model: Model with mutables, as for `BaseMutator`.
        seed: Seed of the permutations.
    """

    def __init__(self, model: nn.Module, seed: int = 0):
        super().__init__(model, seed)
        self.seed = seed
        self.counts = [len(mutable.choice.candidates) for mutable in self.deciding]
        # Update and position of the path that `sample_search` returns next.
        self._step = 0
        self._next = 0

    def paths(self, step: int) -> NDArray[np.int64]:
        """Return the paths of an update, an int array [most candidates of a key, keys]."""
        return fair_paths(self.counts, self.seed, step)

    def sample_search(self) -> Masks:
        """Return the next path."""
        paths = self.paths(self._step)
        codes = paths[self._next].tolist()

        # After the last path of an update comes the first of the next.
        self._step, self._next = (
            (self._step, self._next + 1) if self._next + 1 < len(paths) else (self._step + 1, 0)
        )
        return {
            mutable.choice.key: mutable.mask_of(code)
            for mutable, code in zip(self.deciding, codes, strict=True)
        }


@register_algorithm("fairnas")
class Fairnas(SampledAlgorithm[FairMutator]):
    """Trains weights by the summed gradients of paths that together run every candidate once.

    Args:
        setting: Model, images and costs.
        options: Options of FairNAS.
    """

    presets: ClassVar[dict[str, Preset]] = {"default": Preset(FairnasOptions(), RECIPE)}

    options: FairnasOptions

    def __init__(self, setting: Setting, options: FairnasOptions):
        super().__init__(setting, FairMutator(setting.model, setting.seed))
        self.options = options

    def path_digest(self, step: int, count: int) -> int:
        """Return 62 bits of the SHA-256 of the paths of `count` updates from `step` on."""
        rows = np.concatenate([self.drawing.paths(update) for update in range(step, step + count)])
        return paths_digest(rows)

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights by the gradients of all paths; select the best after the last update.

        arXiv 1907.01845, algorithm 1.
        """
        self.note_rank(engine)

        # Gradients add up over the paths, and the weights move once.
        for codes in self.drawing.paths(step).tolist():
            self.drawing.run(codes)
            self.passes.rewind()
            for inputs, targets in batches:
                with engine.autocast():
                    loss = self.loss(inputs, targets, step, engine)
                engine.backward(loss / len(batches))
        engine.update()

        if step + 1 == self.steps:
            self.choose(engine)

    def choose(self, engine: Engine) -> None:
        """Store the architecture with the greatest mean reward on held-out images."""
        options = self.options
        # A separate generator, so that a resumed run selects the same one.
        rng = np.random.default_rng([self.setting.seed, self.steps or 0])
        numbers = final_batches(self, options.final_images)

        rated: dict[tuple[int, ...], float] = {}
        for _ in range(options.generations + 1):
            if rows := self._fresh(rated, rng):
                rated |= dict(zip(rows, rewards(self, rows, numbers, engine).tolist(), strict=True))

        if rated:
            self.drawing.settle(max(rated.items(), key=lambda pair: pair[1])[0])

    def _fresh(
        self, rated: Mapping[tuple[int, ...], float], rng: np.random.Generator
    ) -> list[tuple[int, ...]]:
        """Return the next generation: random architectures, or mutants of the best quarter.

        Args:
            rated: Mean rewards of the architectures so far; empty: the generation is random.
            rng: Generator of the random candidates and of the parents.
        """
        options = self.options
        counts = self.drawing.counts
        best = np.array(
            sorted(rated, key=lambda row: -rated[row])[: max(1, options.population // 4)]
        )

        # A dictionary as an ordered set: duplicates would be rated twice.
        generation: dict[tuple[int, ...], None] = {}
        for _ in range(_TRIES):
            children = rng.integers(counts, size=(options.population, len(counts)))
            if rated:
                # A child keeps each code of its parent except where it mutates.
                parents = best[rng.integers(len(best), size=options.population)]
                children = np.where(
                    rng.random(children.shape) < options.mutation, children, parents
                )

            generation |= dict.fromkeys(
                row for row in self.allowed(children.tolist()) if row not in rated
            )
            if len(generation) >= options.population:
                break

        return list(generation)[: options.population]
