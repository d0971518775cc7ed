"""FairNAS: every candidate is trained equally often (Chu et al., ICCV 2021, arXiv 1907.01845)."""

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
"""Of the supernet on ImageNet, told after the paper's section 4.1.

The release evaluates networks and trains none (xiaomi-automl/FairNAS): these numbers could not be
compared with it.
"""

_TRIES = 20  # draws of a generation, until it is full of architectures that are not rated yet


@dataclass(frozen=True)
class FairnasOptions:
    """Options of FairNAS.

    The paper searches the trained supernet by NSGA-II (64 networks, 70 generations), as `oneshot
    search` does with the strategy `pareto`; what the training itself returns is the best of a
    sample that is refined by mutation.

    Args:
        population: architectures of a generation, none of which was rated before.
        generations: after the first, which is random; each mutates the best quarter so far.
        final_images: held-out images that each architecture is rated on, all of them the same ones.
        mutation: chance that a choice is drawn anew.
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
    """Runs paths of which each takes other candidates, until all were taken: a permutation for each
    key.

    As `oneshot.samplers.Fair`, but by the keys of any model.

    Args:
        model: as of `BaseMutator`.
        seed: of the permutations.
    """

    def __init__(self, model: nn.Module, seed: int = 0):
        super().__init__(model, seed)
        self.seed = seed
        self.counts = [len(mutable.choice.candidates) for mutable in self.mutables]
        self._step, self._next = 0, 0

    def paths(self, step: int) -> NDArray[np.int64]:
        """The paths of an update: int array [most candidates of a key, keys]."""
        return fair_paths(self.counts, self.seed, step)

    def sample_search(self) -> Masks:
        """The next path."""
        paths = self.paths(self._step)
        codes = paths[self._next].tolist()
        self._step, self._next = (
            (self._step, self._next + 1) if self._next + 1 < len(paths) else (self._step + 1, 0)
        )
        return {
            mutable.key: mutable.mask_of(code)
            for mutable, code in zip(self.mutables, codes, strict=True)
        }


@register_algorithm("fairnas")
class Fairnas(SampledAlgorithm[FairMutator]):
    """Each update sums up the gradients of paths that together take every candidate once.

    Args:
        setting: what is trained, on what.
        options: of FairNAS.
    """

    presets: ClassVar[dict[str, Preset]] = {"default": Preset(FairnasOptions(), RECIPE)}

    def __init__(self, setting: Setting, options: FairnasOptions):
        super().__init__(setting, FairMutator(setting.model, setting.seed))
        self.options = options

    def path_digest(self, step: int, count: int) -> int:
        """62 bits of the SHA-256 of the coming updates' paths."""
        rows = np.concatenate([self.drawing.paths(each) for each in range(step, step + count)])
        return paths_digest(rows)

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """One update on the gradients of all paths, summed (algorithm 1); at the very end the
        choice of the best.
        """
        self.note_rank(engine)
        for codes in self.drawing.paths(step).tolist():
            self.drawing.run(codes)
            for images, labels in batches:
                with engine.autocast():
                    loss = self.loss(images, labels, step, engine)
                engine.backward(loss / len(batches))
        engine.update()
        if step + 1 == self.steps:
            self.choose(engine)

    def choose(self, engine: Engine) -> None:
        """Keep the architecture that is best on held-out images."""
        options = self.options
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
        """The next generation: architectures that are not rated yet, random ones or mutants of the
        best quarter.
        """
        options, counts = self.options, self.drawing.counts
        best = np.array(
            sorted(rated, key=lambda row: -rated[row])[: max(1, options.population // 4)]
        )
        found: dict[tuple[int, ...], None] = {}
        for _ in range(_TRIES):
            drawn = rng.integers(counts, size=(options.population, len(counts)))
            if rated:
                parents = best[rng.integers(len(best), size=options.population)]
                drawn = np.where(rng.random(drawn.shape) < options.mutation, drawn, parents)
            found |= dict.fromkeys(row for row in self.allowed(drawn.tolist()) if row not in rated)
            if len(found) >= options.population:
                break
        return list(found)[: options.population]
