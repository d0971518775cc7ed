"""SupernetAlgorithm: base of the registered algorithms, which train supernets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from oneshot.algorithms.preset import Preset
from oneshot.algorithms.schedules import Schedule
from oneshot.perturbations.conditions import Conditions
from oneshot.search.constraint import Constraint
from oneshot.tasks.classification import Classification
from oneshot.tasks.task import Task
from oneshot.training.algorithm import Algorithm
from oneshot.training.batches import Source
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from spaces.space import SearchSpace
from tables.cost.model import CostModel

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run import Run
    from oneshot.run_settings import RunSettings
    from spaces.modules.supernet import Supernet


@dataclass(frozen=True)
class Setting:
    """Model, images and costs that an algorithm works with.

    Args:
        model: Model with LayerChoice or other mutables: a space's supernet, or a user's model.
        recipe: Training of the weights; it defines the length of the training.
        held_out: Images that train the architecture and not the weights.
        images: Number of images that train the weights in an epoch.
        seed: Seed of all random numbers.
        space: Space whose choices the model has; None: unknown, so that no costs can be predicted.
        cost: Cost that the architecture is trained for, or that is logged; None: none.
        constraint: Constraint on the resulting architecture; None: none.
        folder: Folder of the run, where each epoch's architecture is logged; None: no log.
        tensorboard: Whether the architecture is logged for TensorBoard as well.
        task: Task that the model is trained for.
        conditions: Perturbations under which it is trained; None: none.
        schedules: Option of the algorithm -> schedule that its value follows.

    Example:
        >>> import spaces
        >>> from oneshot.data.registry import load
        >>> from oneshot.training.recipe import Recipe
        >>> space = spaces.get("spos-tiny")
        >>> data = load("digits", space.input_shape)
        >>> setting = Setting(space.supernet(10), Recipe(), data.validation, len(data.train))
        >>> setting.steps_per_epoch == len(data.train) // 64
        True
    """

    model: nn.Module
    recipe: Recipe
    held_out: Source
    images: int
    seed: int = 0
    space: SearchSpace | None = None
    cost: CostModel | None = None
    constraint: Constraint | None = None
    folder: Path | None = None
    tensorboard: bool = False
    task: Task = field(default_factory=Classification)
    conditions: Conditions | None = None
    schedules: Mapping[str, Schedule] = field(default_factory=dict)

    @property
    def steps_per_epoch(self) -> int:
        """Number of updates of the weights in an epoch."""
        return max(1, self.images // min(self.recipe.batch_size, self.images))

    @property
    def passes(self) -> Passes:
        """New forward passes by the task."""
        return Passes(self.task, self.conditions)

    @property
    def choice_space(self) -> SearchSpace | None:
        """Space whose choices reports name: that of the cost where no other is set."""
        return self.space if self.space is not None or self.cost is None else self.cost.space


class SupernetAlgorithm(Algorithm):
    """Base of the algorithms that `register_algorithm` registers.

    They are made as `algorithm(setting, options)`, with a `Setting` and an instance of their
    dataclass of options.
    """

    name: ClassVar[str]
    presets: ClassVar[dict[str, Preset]]

    searches_architecture: ClassVar[bool] = False
    """Whether an architecture is trained together with the weights."""

    affine_supernet: ClassVar[bool] = False
    """Whether the batch normalisation of the supernet learns scale and shift."""

    @classmethod
    def from_setting(cls, setting: Setting, options: Any) -> SupernetAlgorithm:
        """Make the algorithm.

        Args:
            setting: Model, images and costs.
            options: Instance of the algorithm's dataclass of options.

        Raises:
            InvalidOption: The setting and the options do not fit together.
        """
        # Subclasses accept these two, in place of the base's model and recipe.
        return cls(setting, options)  # type: ignore[arg-type]

    @classmethod
    def default_recipe(cls, preset: Preset, space: str, images: int) -> Recipe:
        """Return the recipe of a training where the user sets nothing else.

        Args:
            preset: Preset that the training uses.
            space: Canonical name of the space.
            images: Number of training images.
        """
        return preset.recipe

    @classmethod
    def search_space(cls, space: SearchSpace, options: Any) -> SearchSpace:
        """Return the space whose supernet is trained where a user requests a space.

        Args:
            space: Requested space, of which the resulting architecture is.
            options: Instance of the algorithm's dataclass of options.
        """
        return space

    @classmethod
    def recorded_options(cls, settings: RunSettings) -> Any:
        """Return the algorithm's options that a run's settings record."""
        raise NotImplementedError

    @classmethod
    def recorded_schedules(cls, settings: RunSettings) -> dict[str, Schedule]:
        """Return the schedules of options that a run's settings record; by default none."""
        return {}

    @classmethod
    def earlier_options(cls, settings: RunSettings) -> dict[str, Any]:
        """Return options that runs may lack, with the values that they were trained with.

        Args:
            settings: Settings of a run that was recorded before these options existed.
        """
        return {}

    @classmethod
    def prepare(cls, supernet: Supernet) -> nn.Module:
        """Return the model that the algorithm trains: the supernet, or one that shares its modules.

        Raises:
            InvalidOption: The algorithm cannot train this supernet.
        """
        return supernet

    def write_results(self, run: Run, supernet: Supernet, data: ImageData) -> None:
        """Write the results other than the supernet's weights to the run's folder.

        Args:
            run: Run that has been trained.
            supernet: Supernet of the run.
            data: Data set of the run.
        """
