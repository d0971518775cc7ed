"""SPOS: a supernet's weights are trained on sampled paths (arXiv 1904.00420)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from oneshot.algorithms.algorithm import Setting, SupernetAlgorithm
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.data.split import Batch
from oneshot.samplers.base import PathSampler, paths_digest
from oneshot.samplers.settings import SamplerSettings
from oneshot.training.engine import Engine
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe, supernet_recipe
from spaces.modules.supernet import Supernet
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.run_settings import RunSettings


class PathAlgorithm(SupernetAlgorithm):
    """Trains a supernet on a sampler's paths (SPOS, arXiv 1904.00420; FairNAS, arXiv 1907.01845).

    Args:
        supernet: Supernet whose weights are trained.
        recipe: Training of the weights.
        sampler: Sampler of the paths of each update.
        passes: Forward passes by the task; None: those of a classification.
    """

    model: Supernet

    def __init__(
        self,
        supernet: Supernet,
        recipe: Recipe,
        sampler: PathSampler,
        passes: Passes | None = None,
    ):
        super().__init__(supernet, recipe, passes)
        self.sampler = sampler
        self._latest: tuple[int, Codes] | None = None

    def paths(self, step: int) -> Codes:
        """Return the codes [paths, choices] of update `step`."""
        if self._latest is None or self._latest[0] != step:
            self._latest = step, self.sampler.paths(step)
        return self._latest[1]

    def path_digest(self, step: int, count: int) -> int:
        """Return 62 bits of the SHA-256 of the paths of `count` updates from `step` on."""
        codes = [self.sampler.paths(update) for update in range(step, step + count)]
        return paths_digest(np.concatenate(codes))

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights by the sum of the gradients of all paths (FairNAS, algorithm 1)."""
        for codes in self.paths(step):
            self.model.activate(codes)
            self.passes.rewind()
            for inputs, targets in batches:
                with engine.autocast():
                    loss = self.loss(inputs, targets, step, engine)
                engine.backward(loss / len(batches))
        engine.update()


@register_algorithm("spos")
class Spos(PathAlgorithm):
    """Single-path one-shot training, with paths by any of the samplers.

    Args:
        setting: Model, which is a supernet, images and seed.
        options: Sampler of the paths.

    Raises:
        InvalidOption: The sampler does not suit the space.
    """

    presets = {"default": Preset(SamplerSettings())}  # noqa: RUF012 -- as the others

    def __init__(self, setting: Setting, options: SamplerSettings):
        assert isinstance(setting.model, Supernet)
        sampler = options.make(setting.model.space, setting.seed)
        super().__init__(setting.model, setting.recipe, sampler, setting.passes)

    @classmethod
    def default_recipe(cls, preset: Preset, space: str, images: int) -> Recipe:
        """Return the published recipe of the space's supernet where the images are many."""
        return supernet_recipe(space, images)

    @classmethod
    def recorded_options(cls, settings: RunSettings) -> Any:
        """Return the sampler that a run's settings record; uniform where they record none."""
        return settings.sampler or SamplerSettings()
