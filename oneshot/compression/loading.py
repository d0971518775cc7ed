"""The space of a user's network, known by name in this process, and the check of its task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from oneshot.errors import InvalidOption
from oneshot.training.passes import Passes
from spaces.elastic import ElasticSpace, build_network, from_network
from spaces.elastic.factory import DIVISOR
from spaces.errors import PathfitError
from spaces.registry import SPACES

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.tasks.task import Task


def load_space(
    source: str,
    weights: Path | None,
    example: Any,
    divisor: int | None = None,
    resolutions: Sequence[int] | None = None,
) -> ElasticSpace:
    """Build the network of a user's file, and return the space of its smaller versions.

    Args:
        source: Python file and function, such as `mymodel.py:build`. Its code is run.
        weights: File of the weights; None: the network is taken as it is built.
        example: Example input of the network, [n, ...].
        divisor: Preferred divisor of numbers of channels; None: the space's default.
        resolutions: Sides of images among which networks choose; None: the example's alone.

    Raises:
        InvalidNetwork: The file, the function, the weights or the network cannot be used.
    """
    network = build_network(source, weights)
    name = space_name(source)
    return from_network(
        network,
        example,
        name,
        divisor=DIVISOR if divisor is None else divisor,
        resolutions=resolutions,
    )


def register(space: ElasticSpace) -> None:
    """Let this process find a space by its name.

    Architectures in files name their space, which is looked up by its name. Only the process that
    has built the network knows it: a name in a file never runs code.
    """

    # The name has no parameters: the space is the one that was built.
    def elastic_space(canonical: str, /) -> ElasticSpace:
        return space

    SPACES.add(space.name, elastic_space)


def check_task(space: ElasticSpace, task: Task, data: ImageData) -> None:
    """Check that a task has a loss of a network's outputs for a data set's targets.

    Raises:
        InvalidOption: It has none; the reason is named.
    """
    task.check(data)
    if data.num_classes != space.num_classes:
        raise InvalidOption(
            f"data: {data.title} has {data.num_classes} classes, but the network's output has"
            f" {space.num_classes}"
        )

    network = space.network(space.original).eval()
    inputs, targets = data.train.tensors([0])
    try:
        with torch.no_grad():
            outputs = Passes(task).from_start(network, inputs)
            task.loss(outputs, targets)
    except PathfitError:
        raise
    # Outputs of users' networks may be anything.
    except Exception as error:
        text = str(error).strip().partition("\n")[0]
        raise InvalidOption(
            f"task: {task.name} has no loss of what the network returns for the targets of"
            f" {data.title}: {type(error).__name__}: {text:.160}"
        ) from error


def space_name(source: str) -> str:
    """Return the name of the space of a network.

    Example:
        >>> space_name("models/My_Net.py:build")
        'elastic-my-net-build'
    """
    path, _, function = source.rpartition(":")
    words = re.findall("[a-z0-9]+", f"{Path(path).stem} {function}".lower())
    return "-".join(["elastic", *words])
