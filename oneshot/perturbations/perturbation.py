"""Perturbation: the interface of what disturbs a network while it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from oneshot.data.images import ImageData


class LossAt(Protocol):
    """Loss of a batch by its inputs."""

    def __call__(self, inputs: Tensor, model: nn.Module | None = None, /) -> Tensor:
        """Return the loss of the batch's targets.

        Args:
            inputs: Inputs in place of those of the batch.
            model: Model that is run; None: the perturbed one.
        """


class Perturbation(ABC):
    """A context around a forward pass that changes its inputs, or what its layers compute.

    Layers are changed by hooks and parametrisations, which the end of the context removes. All
    random numbers come from the generator, so that a resumed training draws the same ones.

    Example:
        >>> import contextlib
        >>> class Brighter(Perturbation):
        ...     def around(self, model, inputs, loss_at, generator):
        ...         return contextlib.nullcontext(inputs + 1)
        >>> images = torch.zeros(1)
        >>> with Brighter().around(nn.Identity(), images, torch.sum, torch.Generator()) as inputs:
        ...     inputs
        tensor([1.])
    """

    uses_model: ClassVar[bool] = True
    """Whether it reads or changes the model, or calls `loss_at`.

    One that changes inputs alone sets it to False: evaluations then compute layers that several
    paths share only once.
    """

    def for_data(self, data: ImageData) -> Perturbation:
        """Return the perturbation for the inputs of a data set, by default itself.

        Attacks and corruptions need the range of pixels, since images are normalised.

        Args:
            data: Data set of the training or the evaluation.

        Raises:
            InvalidOption: Inputs of this kind cannot be perturbed.
        """
        return self

    def calibrated(
        self, model: nn.Module, batches: Sequence[Any], forward: Callable[[Any], Any]
    ) -> Perturbation:
        """Return the perturbation for passes of one model with fixed weights, by default itself.

        Evaluations call it before their passes; trainings, whose weights move, do not.

        Args:
            model: Model on its device, in evaluation mode, with its path active.
            batches: Inputs of training images on the device.
            forward: Function inputs -> outputs that runs the model.
        """
        return self

    @abstractmethod
    def around(
        self,
        model: nn.Module,
        inputs: Tensor,
        loss_at: LossAt,
        generator: torch.Generator,
    ) -> AbstractContextManager[Tensor]:
        """Return a context that gives the inputs to run the model on.

        Args:
            model: Model, with its path active.
            inputs: Inputs of the batch.
            loss_at: Function inputs -> loss of the same targets, as attacks need it.
            generator: Source of random numbers, on the processor.
        """
