"""Training a run by a one-shot algorithm, and what is left of it in the run's folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneshot.algorithms.architecture import ArchitectureAlgorithm, Setting
from oneshot.algorithms.cells import derived, searchable, setting_space
from oneshot.algorithms.hardware import cost_of
from oneshot.algorithms.registry import algorithm, make
from oneshot.run_settings import NETWORK as NETWORK_KIND
from oneshot.run_settings import AugmentationSettings
from oneshot.search.constraint import Limit
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from spaces.files import write_text
from spaces.progress import Progress

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run import Run
    from spaces.architecture import Architecture
    from spaces.modules.supernet import Supernet

ARCHITECTURE, PROBABILITIES, REPORT = (
    "architecture.json",
    "probabilities.json",
    "architecture-report.json",
)
NETWORK = "network"
_RECALIBRATED = 20  # batches behind which the statistics of a network are its own


def make_algorithm(
    run: Run, supernet: Supernet, data: ImageData, tensorboard: bool = False
) -> ArchitectureAlgorithm:
    """The algorithm of a run; whatever does not fit together is refused here, before anything is
    written.

    Args:
        run: of kind `supernet` whose settings have algorithm, options, target, constraint and
            margin.
        supernet: of the run's space.
        data: the run's; its validation part, cut from what may be trained on, is held out for the
            architecture.
        tensorboard: whether the architecture's curves are written.
    """
    import tables

    space = run.space
    search = run.settings.search
    assert run.settings.algorithm is not None
    assert search is not None
    kind = algorithm(run.settings.algorithm)
    example = next(iter(kind.presets.values())).options
    options = dataclasses.replace(example, **_tuples(example, search.options))
    cost = constraint = None
    if search.target is not None:
        cost = cost_of(search.target, space, tables.load)
    if search.constraint is not None:
        constraint = Limit.parse(search.constraint).bind(space, tables.load, search.margin)
    model = searchable(supernet)
    return make(
        run.settings.algorithm,
        Setting(
            model=model,
            recipe=run.settings.recipe,
            held_out=data.validation,
            images=len(data.train),
            seed=run.settings.seed,
            space=setting_space(space),
            cost=cost,
            constraint=constraint,
            folder=run.folder,
            tensorboard=tensorboard,
        ),
        options,
    )


def _tuples(example: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    # JSON has made lists of them.
    return {
        name: tuple(value)
        if isinstance(value, list) and isinstance(getattr(example, name), tuple)
        else value
        for name, value in given.items()
    }


def train_algorithm(
    run: Run, supernet: Supernet, data: ImageData, execution: Execution | None, progress: Progress
) -> None:
    """Train a run's supernet and architecture; its folder then has both, the probabilities and the
    costs.
    """
    execution = execution or Execution()
    algorithm = make_algorithm(run, supernet, data, execution.tensorboard)
    varied = run.settings.augmentation or AugmentationSettings()
    fit(
        algorithm,
        varied.apply(data.train),
        run.folder,
        seed=run.settings.seed,
        augment=varied.augment,
        execution=execution,
        progress=progress,
    )
    architecture = derived(run.space, algorithm)
    algorithm.mutator.unbind()
    write(run.folder, algorithm, architecture)
    if run.settings.search is not None and run.settings.search.with_network:
        write_network(run, supernet, architecture, data)


def write(folder: Path, algorithm: ArchitectureAlgorithm, architecture: Architecture) -> None:
    """Write the architecture, its probabilities, and the report with its costs."""
    report = algorithm.report()
    write_text(folder / ARCHITECTURE, architecture.to_json() + "\n")
    write_text(folder / PROBABILITIES, json.dumps(report["probabilities"], indent=1) + "\n")
    write_text(folder / REPORT, json.dumps(report, indent=1) + "\n")


def write_network(
    run: Run, supernet: Supernet, architecture: Architecture, data: ImageData
) -> None:
    """Write the found network with the supernet's weights as a run of its own, which `test` and
    `export` take.

    The statistics of its normalisations are computed anew on training images: the supernet's are of
    all paths.
    """
    from itertools import islice

    from oneshot.evaluation.recalibration import recalibrate
    from oneshot.retraining.supernet_weights import inherit
    from oneshot.run import Run, write_settings

    preprocessing = None if data.preprocessing is None else data.preprocessing.to_dict()
    settings = dataclasses.replace(
        run.settings,
        kind=NETWORK_KIND,
        algorithm=None,
        sampler=None,
        search=None,
        augmentation=None,
        architecture=architecture,
        classes=data.classes,
        preprocessing=json.loads(json.dumps(preprocessing)),
    )
    found = Run(run.folder / NETWORK, settings)
    network = found.build()
    inherit(network, supernet, architecture)
    batches = data.train.epochs(min(64, len(data.train)), run.settings.seed)
    recalibrate(network, (images for images, _ in islice(batches, _RECALIBRATED)))
    write_settings(found.folder, settings)
    found.save(network)
