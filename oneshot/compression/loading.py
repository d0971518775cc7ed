"""The space of a user's network, known by name in this process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spaces.elastic import ElasticSpace, build_network, from_network
from spaces.registry import SPACES

if TYPE_CHECKING:
    from spaces.elastic.importance import Losses


def load_space(
    source: str,
    weights: Path | None,
    example: Any,
    losses: Losses | None = None,
    divisor: int | None = None,
    resolutions: Sequence[int] | None = None,
) -> ElasticSpace:
    """Build the network of a user's file, and register the space of its smaller versions.

    Architectures in files name their space, which is looked up by its name. Only the process that
    has built the network knows it: a name in a file never runs code.

    Args:
        source: Python file and function, such as `mymodel.py:build`. Its code is run.
        weights: File of the weights; None: the network is taken as it is built.
        example: Example input of the network, [n, ...].
        losses: Losses by which channels are ordered; None: they are ordered by their weights.
        divisor: Preferred divisor of numbers of channels; None: the space's default.
        resolutions: Sides of images among which networks choose; None: the example's alone.

    Raises:
        InvalidNetwork: The file, the function, the weights or the network cannot be used.
    """
    network = build_network(source, weights)
    name = space_name(source)
    options = {} if divisor is None else {"divisor": divisor}
    space = from_network(network, example, name, losses=losses, resolutions=resolutions, **options)

    # The name has no parameters: the space is the one that was built.
    def elastic_space(canonical: str, /) -> ElasticSpace:
        return space

    SPACES.add(name, elastic_space)
    return space


def space_name(source: str) -> str:
    """Return the name of the space of a network.

    Example:
        >>> space_name("models/My_Net.py:build")
        'elastic-my-net-build'
    """
    path, _, function = source.rpartition(":")
    words = re.findall("[a-z0-9]+", f"{Path(path).stem} {function}".lower())
    return "-".join(["elastic", *words])
