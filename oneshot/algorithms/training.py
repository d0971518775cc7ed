"""Training of a supernet's run by its algorithm."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from oneshot.algorithms.algorithm import Setting, SupernetAlgorithm
from oneshot.algorithms.cells import setting_space
from oneshot.algorithms.hardware import cost_of
from oneshot.algorithms.registry import algorithm
from oneshot.data.augmented import AUGMENTED_FROM
from oneshot.errors import InvalidOption
from oneshot.run_settings import DEFAULT_ALGORITHM, AugmentationSettings
from oneshot.search.constraint import Constraint, Limit
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.recipe import SMALL, supernet_recipe
from spaces.modules.supernet import Supernet
from spaces.progress import Progress, silent
from tables.devices import load_device

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run import Run

SPOS_JITTER = 0.4
"""Colour jitter of the published recipe of SPOS."""


def make_algorithm(
    run: Run, supernet: Supernet, data: ImageData, tensorboard: bool = False
) -> SupernetAlgorithm:
    """Make the algorithm of a run, which checks that its settings fit together.

    Args:
        run: Run of a supernet.
        supernet: Supernet of the run's space.
        data: Data set of the run; its validation part is held out for the architecture.
        tensorboard: Whether curves of the architecture are written.

    Raises:
        InvalidOption: The settings do not fit together.
    """
    import tables

    space = run.space
    cost = None
    search = run.settings.search
    if search is not None and search.target is not None:
        cost = cost_of(search.target, space, tables.load)

    algorithm_class = algorithm(run.settings.algorithm or DEFAULT_ALGORITHM)
    conditions = run.conditions
    setting = Setting(
        model=algorithm_class.prepare(supernet),
        recipe=run.settings.recipe,
        held_out=data.validation,
        images=len(data.train),
        seed=run.settings.seed,
        space=setting_space(space),
        cost=cost,
        constraint=bound_constraint(run),
        folder=run.folder,
        tensorboard=tensorboard,
        task=run.task,
        conditions=None if conditions is None else conditions.for_data(data),
        schedules=algorithm_class.recorded_schedules(run.settings),
    )
    options = algorithm_class.recorded_options(run.settings)

    return algorithm_class.from_setting(setting, options)


def bound_constraint(run: Run) -> Constraint | None:
    """Return the constraint of a run's search, bound to the costs of its space; None: it has none.

    Raises:
        InvalidConstraint: The text is no constraint.
        Infeasible: No network of the space meets it.
    """
    search = run.settings.search
    if search is None or search.constraint is None:
        return None
    load = functools.partial(load_device, space=run.space)
    return Limit.parse(search.constraint).bind(run.space, load, search.margin)


def train_supernet(
    run: Run,
    progress: Progress = silent,
    execution: Execution | None = None,
    data: ImageData | None = None,
) -> Supernet:
    """Train the supernet of a run, resume its training, or load it if it is trained already.

    Args:
        run: Run of a supernet.
        progress: Called with every report.
        execution: Devices, precision and the frequency of reports; None: one device, fp32.
        data: Data set of the run; None: it is loaded.

    Raises:
        InvalidOption: The settings do not fit together.
        Stopped: The training was interrupted; its checkpoint is written.
    """
    trained = run.weights.exists()
    supernet = run.load() if trained else run.build()
    assert isinstance(supernet, Supernet)
    if trained:
        return supernet

    execution = execution or Execution()
    data = data or run.data()
    augmentation = run.settings.augmentation or AugmentationSettings()
    training = make_algorithm(run, supernet, data, execution.tensorboard)
    fit(
        training,
        augmentation.apply(data.train),
        run.folder,
        seed=run.settings.seed,
        augment=augmentation.augment,
        execution=execution,
        progress=progress,
    )
    training.write_results(run, supernet, data)
    # Last: the file of the weights marks the run as trained.
    run.save(supernet)

    return supernet.eval()


def augmentation_settings(
    space: str,
    images: int,
    augment: bool | None = None,
    colour_jitter: float | None = None,
    mosaic: float | None = None,
) -> AugmentationSettings:
    """Return the augmentation of a supernet's training images, with defaults for None.

    Args:
        space: Canonical name of the space.
        images: Number of training images; small data sets are not augmented by default.
        augment: Whether the images are augmented.
        colour_jitter: Brightness, contrast and saturation are scaled by factors in 1 +- this.
        mosaic: Probability that four images with boxes or masks share the input.

    Raises:
        InvalidOption: There is a jitter or a mosaic without augmentation.
    """
    if augment is None:
        augment = images >= AUGMENTED_FROM

    for name, value in (("colour_jitter", colour_jitter), ("mosaic", mosaic)):
        if value and not augment:
            raise InvalidOption(f"{name} needs augmented images: add --augment")

    if colour_jitter is None:
        published = supernet_recipe(space, images) is not SMALL
        colour_jitter = SPOS_JITTER if published and augment else 0.0

    return AugmentationSettings(augment, colour_jitter, mosaic or 0.0)
