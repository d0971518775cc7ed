"""Training a run by a one-shot algorithm, and what is left of it in the run's folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneshot.algorithms.architecture import ArchitectureAlgorithm, Setting
from oneshot.algorithms.cells import derived, searchable, setting_space
from oneshot.algorithms.hardware import cost_of
from oneshot.algorithms.registry import algorithm, make
from oneshot.data.augmented import Augmented
from oneshot.search.constraint import Limit
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.recipe import Recipe
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

    settings, space = run.settings, run.space
    kind = algorithm(settings["algorithm"])
    example = next(iter(kind.presets.values())).options
    options = dataclasses.replace(example, **_tuples(example, settings["options"]))
    cost = constraint = None
    if settings.get("target") is not None:
        cost = cost_of(settings["target"], space, tables.load)
    if settings.get("constraint") is not None:
        constraint = Limit.parse(settings["constraint"]).bind(
            space, tables.load, settings["margin"]
        )
    model = searchable(supernet)
    return make(
        settings["algorithm"],
        Setting(
            model=model,
            recipe=Recipe(**settings["recipe"]),
            held_out=data.validation,
            images=len(data.train),
            seed=int(settings["seed"]),
            space=setting_space(space),
            cost=cost,
            constraint=constraint,
            folder=run.folder,
            tensorboard=tensorboard,
        ),
        options,
    )


def _tuples(example: Any, given: dict[str, Any]) -> dict[str, Any]:
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
    varied = run.settings.get("augmentation", {})
    images = data.train
    how = dataclasses.replace(
        images.augmentation, jitter=varied.get("colour_jitter", images.augmentation.jitter)
    )
    fit(
        algorithm,
        Augmented(images, how),
        run.folder,
        seed=int(run.settings["seed"]),
        augment=varied.get("augment", False),
        execution=execution,
        progress=progress,
    )
    architecture = derived(run.space, algorithm)
    algorithm.mutator.unbind()
    write(run.folder, algorithm, architecture)
    if run.settings.get("with_network"):
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
    from oneshot.run import SETTINGS, Run

    kept = ("space", "data", "recipe", "seed", "execution", "version", "command")
    preprocessing = (
        None if data.preprocessing is None else json.loads(json.dumps(data.preprocessing.to_dict()))
    )
    settings = {
        "kind": "network",
        **{name: run.settings[name] for name in kept},
        "architecture": architecture.to_dict(),
        "classes": list(data.classes),
        "preprocessing": preprocessing,
    }
    found = Run(run.folder / NETWORK, settings)
    network = found.build()
    inherit(network, supernet, architecture)
    batches = data.train.epochs(min(64, len(data.train)), int(run.settings["seed"]))
    recalibrate(network, (images for images, _ in islice(batches, _RECALIBRATED)))
    write_text(found.folder / SETTINGS, json.dumps(settings, indent=1) + "\n")
    found.save(network)
