"""Training supernets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oneshot.data.augmented import AUGMENTED_FROM
from oneshot.data.images import ImageData
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.run import Run
from oneshot.run_settings import AugmentationSettings
from oneshot.samplers.base import PathSampler, paths_digest
from oneshot.samplers.settings import SamplerSettings
from oneshot.training.algorithm import Algorithm
from oneshot.training.engine import Engine
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.recipe import SMALL, Recipe, supernet_recipe
from spaces.modules.supernet import Supernet
from spaces.progress import Progress, silent
from spaces.space import Codes

SPOS_JITTER = 0.4
"""Colour jitter of the published recipe."""


class PathAlgorithm(Algorithm):
    """Trains a supernet on the paths of a sampler (SPOS, arXiv 1904.00420; FairNAS, arXiv
    1907.01845).

    Args:
        supernet: what is trained.
        recipe: of the optimiser.
        sampler: draws the paths of a step.
    """

    model: Supernet

    def __init__(self, supernet: Supernet, recipe: Recipe, sampler: PathSampler):
        super().__init__(supernet, recipe)
        self.sampler = sampler
        self._drawn: tuple[int, Codes] | None = None

    def paths(self, step: int) -> Codes:
        """Codes [paths, choices] of update `step`."""
        if self._drawn is None or self._drawn[0] != step:
            self._drawn = step, self.sampler.paths(step)
        return self._drawn[1]

    def path_digest(self, step: int, count: int) -> int:
        """62 bits of the SHA-256 of all paths of the coming updates."""
        codes = np.concatenate([self.sampler.paths(each) for each in range(step, step + count)])
        return paths_digest(codes)

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """One update on the gradients of all paths, summed (FairNAS, algorithm 1)."""
        for codes in self.paths(step):
            self.model.activate(codes)
            for images, labels in batches:
                with engine.autocast():
                    loss = self.loss(images, labels, step, engine)
                engine.backward(loss / len(batches))
        engine.update()


def augmentation_settings(
    space: str, images: int, augment: bool | None = None, colour_jitter: float | None = None
) -> AugmentationSettings:
    """How a supernet's training images are varied, where options are None by default.

    Args:
        space: canonical name of the space.
        images: for training; few are not varied by default.
        augment: whether they are varied.
        colour_jitter: brightness, contrast and saturation are scaled by factors in 1 +- this.

    Raises:
        InvalidOption: a jitter without augmentation.
    """
    varied = images >= AUGMENTED_FROM if augment is None else augment
    if colour_jitter and not varied:
        raise InvalidOption("colour_jitter needs augmented images: add --augment")
    if colour_jitter is None:
        published = supernet_recipe(space, images) is not SMALL
        colour_jitter = SPOS_JITTER if published and varied else 0.0
    return AugmentationSettings(varied, colour_jitter)


def train_supernet(
    run: Run,
    progress: Progress = silent,
    execution: Execution | None = None,
    data: ImageData | None = None,
) -> Supernet:
    """Train the supernet of a run, go on with it where it was stopped, or load it where it is done.

    Args:
        run: of kind `supernet`.
        progress: called with every report.
        execution: devices, precision, and what is written how often.
        data: the run's data set, where it is loaded already.
    """
    supernet = run.load() if run.weights.exists() else run.build()
    assert isinstance(supernet, Supernet)
    if run.weights.exists():
        return supernet
    if run.settings.search is not None:
        from oneshot.algorithms.training import train_algorithm

        train_algorithm(run, supernet, data or run.data(), execution, progress)
        run.save(supernet)
        return supernet.eval()
    seed = run.settings.seed
    sampler = (run.settings.sampler or SamplerSettings()).make(run.space, seed)
    algorithm = PathAlgorithm(supernet, run.settings.recipe, sampler)
    images = (data or run.data()).train
    varied = run.settings.augmentation or AugmentationSettings()
    fit(
        algorithm,
        varied.apply(images),
        run.folder,
        seed=seed,
        augment=varied.augment,
        execution=execution,
        progress=progress,
    )
    run.save(supernet)
    return supernet.eval()
