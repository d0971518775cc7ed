"""Locations: what the predictions of a detector mean in pixels, and what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from oneshot.errors import InvalidOption
from oneshot.tasks.detection.boxes import decode
from oneshot.tasks.detection.matching import Assignment, match_adaptively, match_anchors

if TYPE_CHECKING:
    from spaces.heads.geometry import BoxGeometry


@dataclass(frozen=True)
class Locations:
    """The locations of a detector's predictions as tensors.

    Args:
        image: Height and width of the network's input in pixels.
        background: Whether channel 0 of the scores is the background.
        centres: Centre (x, y) of each location in pixels [locations, 2].
        strides: Stride of each location in pixels [locations].
        levels: Index of each location's level, int64 [locations].
        anchors: Anchor of each location in pixels [locations, 4]; None: offsets are distances from
            the centre to the four sides of a box, in strides.
    """

    image: tuple[int, int]
    background: bool
    centres: Tensor
    strides: Tensor
    levels: Tensor
    anchors: Tensor | None

    @classmethod
    def from_geometry(cls, geometry: BoxGeometry) -> Locations:
        """Return the locations of a head's geometry."""

        def tensor(values: Any) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32)

        return cls(
            geometry.image,
            geometry.background,
            tensor(geometry.centres()),
            tensor(geometry.strides()),
            torch.as_tensor(geometry.level_of_location()),
            tensor(geometry.anchors()) if geometry.has_anchors else None,
        )

    def __len__(self) -> int:
        return len(self.centres)

    def to(self, device: torch.device) -> Locations:
        """Return the locations on a device."""
        if self.centres.device == device:
            return self
        return Locations(
            self.image,
            self.background,
            self.centres.to(device),
            self.strides.to(device),
            self.levels.to(device),
            None if self.anchors is None else self.anchors.to(device),
        )

    def check(self, outputs: Mapping[str, Tensor]) -> None:
        """Check that a network's outputs are of these locations.

        Raises:
            InvalidOption: Their number differs.
        """
        count = outputs["offsets"].shape[1]
        if count != len(self):
            raise InvalidOption(
                f"the network predicts {count} boxes, the head of its space {len(self)}: its input"
                " has another size"
            )

    def boxes(self, offsets: Tensor) -> Tensor:
        """Return the boxes in pixels of offsets, both [..., locations, 4]."""
        if self.anchors is not None:
            return decode(offsets, self.anchors)
        distances = offsets * self.strides[:, None]
        return torch.cat([self.centres - distances[..., :2], self.centres + distances[..., 2:]], -1)

    def inside(self, boxes: Tensor) -> Tensor:
        """Return boxes [..., 4] cut to the image."""
        height, width = self.image
        x = boxes[..., 0::2].clamp(0, width)
        y = boxes[..., 1::2].clamp(0, height)
        return torch.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1)

    def assign(self, rows: Tensor) -> Assignment:
        """Return the object that each location should predict.

        Args:
            rows: Objects of an image [n, 6]; see `oneshot.data.scenes.scene.Scene`.
        """
        counted = rows[:, 5] == 0
        boxes = rows[counted, :4]
        left_out = rows[~counted, :4]
        if self.anchors is not None:
            return match_anchors(self.anchors, boxes, left_out)
        return match_adaptively(self.centres, self.strides, self.levels, boxes, left_out)
