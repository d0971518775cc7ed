"""What a network of a user's own class returns: classes, masks, or boxes of objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from torch import Tensor, nn

from spaces.elastic.errors import InvalidNetwork
from spaces.heads.geometry import BoxGeometry
from spaces.modules.nested import tensors_in


@dataclass(frozen=True)
class Outputs:
    """The kind of a network's outputs.

    Args:
        head: `classes`, `mask` or `boxes`, as `SearchSpace.head`.
        num_classes: Number of classes.
        geometry: Where the boxes lie; None for other kinds.
    """

    head: str
    num_classes: int
    geometry: BoxGeometry | None = None


def outputs_of(model: nn.Module, returned: Any, num_classes: int | None = None) -> Outputs:
    """Return the kind of a network's outputs.

    A network whose attribute `geometry` is a `BoxGeometry` is a detector. Other networks whose
    first output is a tensor [n, classes, height, width] return masks.

    Args:
        model: The network.
        returned: What it returned for one image.
        num_classes: Number of classes; None: that of the first output.

    Raises:
        InvalidNetwork: The number of classes is not known, or a detector's outputs are not those of
            its geometry.
    """
    title = type(model).__name__
    geometry = getattr(model, "geometry", None)
    if isinstance(geometry, BoxGeometry):
        return Outputs("boxes", _detected_classes(title, returned, geometry), geometry)

    first = next(tensors_in(returned), None)
    head = "mask" if first is not None and first.ndim == 4 else "classes"
    if num_classes is not None:
        return Outputs(head, num_classes)
    if first is None or first.ndim < 2:
        raise InvalidNetwork(
            f"{title}: its output is no tensor [n, classes, ...]; give num_classes"
        )
    return Outputs(head, int(first.shape[1] if first.ndim != 3 else first.shape[-1]))


def _detected_classes(title: str, returned: Any, geometry: BoxGeometry) -> int:
    count = geometry.num_locations
    tensors = returned if isinstance(returned, Mapping) else {}
    scores = tensors.get("scores")
    offsets = tensors.get("offsets")
    if not _is_of(scores, count) or not _is_of(offsets, count) or offsets.shape[2] != 4:
        shapes = [list(tensor.shape) for tensor in tensors_in(returned)]
        raise InvalidNetwork(
            f"{title}: a detector returns a dictionary of scores [n, {count}, classes] and offsets"
            f" [n, {count}, 4] at the {count} locations of its geometry, not"
            f" {', '.join(map(str, shapes)) or type(returned).__name__}"
        )
    return int(scores.shape[2]) - int(geometry.background)


def _is_of(value: Any, count: int) -> TypeGuard[Tensor]:
    """Return whether a value is a tensor with rows of so many locations."""
    return isinstance(value, Tensor) and value.ndim == 3 and value.shape[1] == count
