"""Examples of several tensors, for models that take a tuple or a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from oneshot.data.augmentation import Augmentation
from oneshot.data.epoch_order import OrderLoader, Task
from oneshot.data.images import AS_IS, ImageData
from oneshot.data.memory import MemorySplit
from oneshot.data.padded import Targets
from oneshot.data.split import Batch, Indices
from oneshot.errors import InvalidOption
from spaces.modules.nested import mapped

if TYPE_CHECKING:
    from spaces.space import SearchSpace


@dataclass(frozen=True)
class StructuredSplit(MemorySplit):
    """Examples in memory, each of several tensors.

    Args:
        inputs: Nested tuples, lists and dictionaries of tensors, [n, ...] each; other values in
            them are constants of every batch.
        labels: Target of each example, such as its class, int [n].
        augmentation: Augmentation of images, of which only the default, none, is possible here.

    Example:
        >>> tokens, mask = torch.zeros(3, 7, dtype=torch.int64), torch.ones(3, 7)
        >>> split = StructuredSplit({"tokens": tokens, "mask": mask}, torch.tensor([0, 1, 0]))
        >>> inputs, labels = next(split.batches(2))
        >>> inputs["tokens"].shape, labels
        (torch.Size([2, 7]), tensor([0, 1]))
    """

    inputs: Any
    labels: Targets
    augmentation: Augmentation = AS_IS

    def epochs(
        self,
        batch_size: int,
        seed: int,
        *,
        augment: bool | Augmentation = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> OrderLoader:
        """Return shuffled batches for training; see `Split.epochs`.

        Raises:
            InvalidOption: The augmentation is not the default, which is for images.
        """
        if isinstance(augment, Augmentation) and augment != AS_IS:
            raise InvalidOption(
                "cutout, colour_jitter and mosaic are for images; the examples of this data set are"
                " several tensors"
            )
        return super().epochs(batch_size, seed, augment=augment, rank=rank, ranks=ranks)

    def tensors(self, indices: Indices | None = None) -> Batch:
        """Return the inputs and labels in one batch."""
        if indices is None:
            return self.inputs, self.labels
        return self._select(torch.as_tensor(indices, dtype=torch.int64))

    def make_batch(self, task: Task, augmentation: Augmentation) -> Batch:
        """Return the batch of a task, which is not augmented."""
        return self._select(torch.from_numpy(task.indices))

    def _select(self, index: Tensor) -> Batch:
        inputs = mapped(self.inputs, lambda tensor: tensor.index_select(0, index))
        return inputs, self.labels[index]


def check_inputs(data: ImageData, space: SearchSpace) -> None:
    """Check that the examples of a data set have the structure that a space's networks take.

    Args:
        data: Data set, of whose training part one example is read.
        space: Space of the networks.

    Raises:
        InvalidOption: One is a tensor and the other a tuple or dictionary, or these differ.
    """
    architecture = space.sample(np.random.default_rng(0))
    expected = _layout(space.random_input(architecture, 1, torch.Generator().manual_seed(0)))
    actual = _layout(data.train.tensors([0])[0])
    if actual != expected:
        raise InvalidOption(
            f"data: the inputs of an example of {data.title} are {actual}; networks of {space.name}"
            f" take {expected}"
        )


def is_single(data: ImageData) -> bool:
    """Return whether the input of an example is one tensor."""
    return isinstance(data.train.tensors([0])[0], Tensor)


def _layout(value: Any) -> str:
    """Return the structure of a value in words, such as `(tensor, tensor)`."""
    if isinstance(value, Tensor):
        return "a tensor"
    if isinstance(value, Mapping):
        items = (f"{key}: {_layout(value[key])}" for key in sorted(value, key=str))
        return f"{{{', '.join(items)}}}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_layout, value))})"
    return "a constant"
