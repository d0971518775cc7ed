"""Task: what a network is trained for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from oneshot.tasks.tally import Tally
from tables.metrics import Metric

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from spaces.architecture import Architecture
    from spaces.space import SearchSpace


class Task(ABC):
    """Loss, metrics and confidence intervals of what a network is trained for.

    Nothing else in the package knows what targets mean. A subclass is registered by
    `register_task`; its keyword arguments are the options of `--task NAME(option=1)`. Tasks are
    copied to other processes and must be picklable.

    Outputs are what the network returns, in single precision. Only a network with an auxiliary head
    returns a tuple in training. Targets are a tensor [b, ...] or `Padded`.

    Example:
        >>> from oneshot.tasks import Classification
        >>> task = Classification()
        >>> task.score, task.metrics[task.score].unit
        ('cross_entropy', 'nats')
    """

    name: ClassVar[str] = ""
    """Name by which it is registered."""

    head: ClassVar[str] = "classes"
    """Head of the network that the task needs; `SearchSpace.head` is that of a space."""

    metrics: ClassVar[Mapping[str, Metric]]
    """Name -> unit and direction of each metric; the first is the score of searches."""

    titles: ClassVar[Mapping[str, str]] = {}
    """Name -> title in tables and reports, where it is neither the metric's nor its name."""

    distils: ClassVar[bool] = False
    """Whether `soft_targets` and `distillation_loss` exist."""

    distils_everything: ClassVar[bool] = True
    """Whether a teacher can replace the targets; otherwise its loss is only added to theirs."""

    has_pictures: ClassVar[bool] = False
    """Whether `found_targets` exists, so that results can be drawn over their images."""

    carries_state: ClassVar[bool] = False
    """Whether `forward` carries a state from each batch to the next, as for text."""

    @property
    def score(self) -> str:
        """Name of the metric that searches rank by, unless another one is requested."""
        return next(iter(self.metrics))

    @abstractmethod
    def loss(self, outputs: Any, targets: Any, smoothing: float = 0.0) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            outputs: Outputs of the network.
            targets: Targets of the batch.
            smoothing: Label smoothing of the recipe, from 0 to 1; a task without labels ignores it.
        """

    @abstractmethod
    def tally(self, device: torch.device) -> Tally:
        """Return an empty tally of all metrics.

        Args:
            device: Device of the outputs.
        """

    def monitor(self, device: torch.device) -> Tally | None:
        """Return an empty tally for the reports of a training; None: they show the loss alone.

        It runs after every update, so that a task with expensive metrics overrides it.
        """
        return self.tally(device)

    def rewards(self, outputs: Any, targets: Any) -> Tensor:
        """Return the reward [b] of each example, greater is better.

        ENAS, FairNAS and REINFORCE compare architectures by the mean. By default each example has
        the batch's loss with its sign changed.
        """
        return -self.loss(outputs, targets).expand(len(targets))

    def check(self, data: ImageData) -> None:
        """Check that a data set has targets of this task.

        Raises:
            InvalidOption: It has others.
        """
        return

    def bound(self, space: SearchSpace, architecture: Architecture | None = None) -> Task:
        """Return the task for the networks of a space, by default the task itself.

        Args:
            space: Space of the networks, which have the task's head.
            architecture: Architecture of the only network, where there is one.
        """
        return self

    def exported(self, model: nn.Module) -> nn.Module | None:
        """Return the network that an exported file holds, such as one that decodes its outputs.

        Its method `difference(outputs, expected)`, if it has one, compares outputs of the file with
        those of torch.

        Args:
            model: Trained network.

        Returns:
            The network; None: the file holds the model as it is.
        """
        return None

    def found_targets(self, outputs: Any, targets: Any) -> Any:
        """Return a network's results in the form of targets on the CPU, for pictures.

        Args:
            outputs: Outputs of the network.
            targets: Targets of the batch on the CPU; they mark pixels that do not count.
        """
        raise NotImplementedError(f"{type(self).__name__} has no pictures")

    # Distillation

    def soft_targets(self, outputs: Any, targets: Any) -> Any:
        """Return what a teacher's outputs teach about a batch, without gradients.

        Args:
            outputs: Outputs of the teacher.
            targets: Targets of the batch.
        """
        raise NotImplementedError(f"{type(self).__name__} has no distillation")

    def distillation_loss(self, outputs: Any, soft: Any) -> Tensor:
        """Return the mean loss of a batch to a teacher alone, without that to the targets.

        Args:
            outputs: Outputs of the network.
            soft: Value that `soft_targets` returned.
        """
        raise NotImplementedError(f"{type(self).__name__} has no distillation")

    # State between batches

    def initial_state(self, batch_size: int, device: torch.device) -> Any:
        """Return the state before the first batch: tensors in plain containers; None: no state."""
        return None

    def forward(self, model: nn.Module, inputs: Tensor, state: Any) -> tuple[Any, Any]:
        """Run a model and return its outputs and the state for the next batch.

        Args:
            model: Model, with its path active.
            inputs: Inputs of the batch.
            state: State that the batch before returned, or the initial one.
        """
        return model(inputs), None

    # Text

    def title(self, name: str) -> str:
        """Return the title of a metric in tables and reports."""
        if name in self.titles:
            return self.titles[name]
        return self.metrics[name].title_of(name) if name in self.metrics else name.replace("_", " ")

    def text(self, name: str, value: float) -> str:
        """Return a metric's value as text: two decimals of percentages, four of other units."""
        return self.metrics[name].text(value)
