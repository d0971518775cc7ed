"""RunSettings: all that decides the result of a training, as run.json records it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from oneshot.data.augmented import Augmented
from oneshot.data.split import Split
from oneshot.retraining.options import RetrainOptions
from oneshot.samplers.settings import SamplerSettings
from oneshot.tasks.registry import DEFAULT as DEFAULT_TASK
from oneshot.training.execution import Execution
from oneshot.training.recipe import Recipe
from spaces.architecture import Architecture

SUPERNET = "supernet"
NETWORK = "network"
MORPHISM = "morphism"
"""Kind of an initialisation: a smaller network, grown without a change of its function."""

DEFAULT_ALGORITHM = "spos"

REVISION = 1
"""Revision of run.json."""


@dataclass(frozen=True)
class SearchSettings:
    """Settings of an algorithm that trains an architecture together with the weights.

    Args:
        options: Options of the algorithm, name -> value as JSON has it.
        target: Cost that the algorithm trains for, such as `flops`; None: none.
        constraint: Constraint on the resulting network, such as `latency_ms<=12@TABLE`; None: none.
        margin: Number of standard deviations by which a predicted cost stays below the constraint.
        with_network: Whether the resulting network is written with its weights as well.
        held_out: Part of the data set that trains the architecture.
    """

    options: Mapping[str, Any]
    target: str | None = None
    constraint: str | None = None
    margin: float = 1.64
    with_network: bool = False
    held_out: str = "validation"


@dataclass(frozen=True)
class AugmentationSettings:
    """Augmentation of a supernet's training images.

    Args:
        augment: Whether the images are augmented as their data set is by default.
        colour_jitter: Brightness, contrast and saturation are scaled by factors in 1 +- this; None:
            the data set's value.
        mosaic: Probability that four images with boxes or masks share the input.
    """

    augment: bool = False
    colour_jitter: float | None = None
    mosaic: float = 0.0

    def apply(self, split: Split) -> Augmented:
        """Return a split's images with this colour jitter and these mosaics."""
        augmentation = split.augmentation
        if self.mosaic:
            augmentation = replace(augmentation, mosaic=self.mosaic)
        if self.colour_jitter is not None:
            augmentation = replace(augmentation, jitter=self.colour_jitter)
        return Augmented(split, augmentation)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        values = asdict(self)
        # Absent without it, as in runs that were recorded before it existed.
        if not self.mosaic:
            del values["mosaic"]
        return values


@dataclass(frozen=True)
class Initialisation:
    """Run whose weights a network's training begins with.

    Args:
        run: Folder of the run.
        weights: Digest of its weights.
        kind: Source of the weights: `supernet` for a path, `network` for the layers that both
            networks share, such as a classifier's backbone, or `morphism` for a whole smaller
            network.
    """

    run: str
    weights: str
    kind: str = "supernet"


@dataclass(frozen=True)
class RunSettings:
    """Settings of a training.

    Args:
        kind: `supernet` or `network`.
        space: Canonical name of the space.
        data: Record of the data set (`ImageData.record`).
        seed: Seed of the weights, the order of the images and all other random numbers.
        recipe: Training of the weights.
        execution: Devices, precision and the frequency of reports; they may differ when a run is
            resumed.
        version: Version of Pathfit.
        command: Command line of the training.
        algorithm: Name of a supernet's algorithm; None: `spos`, or a network's run.
        sampler: Sampler of a supernet's paths; None for algorithms that train an architecture.
        search: Settings of an algorithm that trains an architecture; None for the others.
        augmentation: Augmentation of a supernet's training images; None: not recorded.
        architecture: Architecture of a network; None for supernets.
        retraining: Regularisation of a network's training; None where it was not trained alone.
        init: Run whose weights a network's training begins with; None: random weights.
        classes: Names of the classes; None: not recorded.
        preprocessing: Preprocessing of a network's images; None: the data set's is unknown.
        revision: Revision of run.json; runs of revision 0 are read under the present names of their
            spaces, of which some changed their meaning.
        affine: Whether the batch normalisation of a supernet learns scale and shift where the space
            does not decide it; runs recorded before this field existed do not.
        task: Task of the training with its options; runs recorded before this field existed are
            classifications.
        under: Perturbations of the training with their weights, such as `clean=0.5`; empty: none.
    """

    kind: str
    space: str
    data: Mapping[str, Any]
    seed: int
    recipe: Recipe = field(default_factory=Recipe)
    execution: Execution = field(default_factory=Execution)
    version: str = ""
    command: str = ""
    algorithm: str | None = None
    sampler: SamplerSettings | None = None
    search: SearchSettings | None = None
    augmentation: AugmentationSettings | None = None
    architecture: Architecture | None = None
    retraining: RetrainOptions | None = None
    init: Initialisation | None = None
    classes: Sequence[str] | None = None
    preprocessing: Mapping[str, Any] | None = None
    affine: bool = False
    task: str = DEFAULT_TASK
    under: Sequence[str] = ()
    revision: int = REVISION

    @property
    def num_classes(self) -> int:
        """Number of the data set's classes."""
        return int(self.data["num_classes"])

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSettings:
        """Make settings from the content of run.json.

        Args:
            values: Key -> value; keys that older versions did not write may be missing.

        Raises:
            KeyError, TypeError: There is no kind, space, data set or seed.
            PathfitError: A value is not accepted.
        """

        # First, so that other JSON values than an object of these keys raise at once.
        base = (values["kind"], values["space"], values["data"], values["seed"])
        if not values.get("revision"):
            values = _with_present_names(values)
            base = (base[0], values["space"], *base[2:])

        groups: dict[str, Any] = {}
        if "recipe" in values:
            groups["recipe"] = Recipe(**values["recipe"])
        if "execution" in values:
            groups["execution"] = Execution(**values["execution"])
        if "sampler" in values:
            groups["sampler"] = SamplerSettings.from_dict(values["sampler"])
        if "options" in values:
            names = SearchSettings.__dataclass_fields__
            groups["search"] = SearchSettings(
                **{name: values[name] for name in names if name in values}
            )
        if "augmentation" in values:
            groups["augmentation"] = AugmentationSettings(**values["augmentation"])
        if "architecture" in values:
            groups["architecture"] = Architecture.from_dict(values["architecture"])
        if "retraining" in values:
            groups["retraining"] = RetrainOptions(**values["retraining"])
        if values.get("init") is not None:
            groups["init"] = Initialisation(**values["init"])

        plain = (
            "version",
            "command",
            "algorithm",
            "classes",
            "preprocessing",
            "affine",
            "task",
            "under",
            "revision",
        )
        groups |= {name: values[name] for name in plain if name in values}
        return cls(*base, **groups)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of run.json, in the order in which it is written."""
        values: dict[str, Any] = {
            "kind": self.kind,
            "space": self.space,
            "data": self.data,
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "execution": self.execution.to_dict(),
            "version": self.version,
            "command": self.command,
            "task": self.task,
        }
        if self.revision:
            values["revision"] = self.revision
        if self.algorithm is not None:
            values["algorithm"] = self.algorithm
        if self.sampler is not None:
            values["sampler"] = self.sampler.to_dict()
        if self.search is not None:
            values |= asdict(self.search)

        if self.under:
            values["under"] = list(self.under)

        # Absent in the runs of SPOS, as before the field existed.
        if self.affine:
            values["affine"] = True
        if self.augmentation is not None:
            values["augmentation"] = self.augmentation.to_dict()
        if self.architecture is not None:
            values["architecture"] = self.architecture.to_dict()

        # Null is written where a training could have begun with a supernet, but did not.
        if self.retraining is not None:
            values["retraining"] = self.retraining.to_dict()
            values["init"] = None if self.init is None else asdict(self.init)
        if self.classes is not None:
            values["classes"] = list(self.classes)
            values["preprocessing"] = self.preprocessing
        return values


def _with_present_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a run.json of revision 0 with the present names of its spaces."""
    from spaces.choice_space import family_of
    from spaces.registry import SPACES, earlier

    present = dict(values)

    # Spaces of plug-ins that are not loaded are reported where the run needs them.
    if not isinstance(values["space"], str) or family_of(values["space"]) not in SPACES:
        return present

    present["space"] = earlier(values["space"])
    if present["space"] != values["space"] and "architecture" in values:
        present["architecture"] = {**values["architecture"], "space": present["space"]}
    return present
