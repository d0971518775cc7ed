"""Scenes: an image with its boxes or its mask, and what a network learns from a view of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from oneshot.data.decoding import read_mask
from oneshot.data.errors import UnreadableImage
from oneshot.data.padded import Padded
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.scenes.views import IGNORED, View

DIFFICULT = 1
"""Flag of an object that is hard to see (VOC): it counts neither as found nor as missed."""

CROWD = 2
"""Flag of a box around many objects (COCO), any number of which may be found in it."""


@dataclass(frozen=True)
class Scene:
    """An image with its targets.

    Args:
        image: Image in RGB.
        boxes: Objects, float [n, 6]: left, top, right and bottom in pixels of the image, class, and
            flag (0, `DIFFICULT` or `CROWD`); None: there is a mask.
        mask: Class of each pixel, uint8 [height, width], `IGNORED` where it has none; None: there
            are boxes.
    """

    image: Image.Image
    boxes: np.ndarray | None = None
    mask: np.ndarray | None = None

    def seen(self, view: View, preprocessing: Preprocessing) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels and the target of a view.

        Returns:
            Pixels, uint8 [height, width, 3], and boxes, float32 [k, 6], or the mask, uint8
            [height, width].
        """
        pixels = view.pixels(self.image, fill_of(preprocessing), preprocessing.antialias)
        return pixels, self.target(view)

    def target(self, view: View) -> np.ndarray:
        """Return the boxes or the mask of a view; see `seen`."""
        if self.mask is not None:
            return view.mask(self.mask)
        assert self.boxes is not None
        return view.boxes(self.boxes)


class SceneTargets(Protocol):
    """Targets of a part of a data set, which belong to its images by their index."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, index: Any) -> Any:
        """Return the targets of some images."""

    def scene(self, index: int, image: Image.Image) -> Scene:
        """Return an image with its targets; raises UnreadableImage where these are broken."""

    def describe(self) -> str:
        """Return in words what the targets are."""

    def collate(self, targets: Sequence[np.ndarray], canvas: tuple[int, int]) -> Any:
        """Return targets of views as those of a batch."""

    def joined(self, others: Sequence[Any]) -> Any:
        """Return these targets followed by those of other parts, which are of the same kind."""

    def content(self) -> list[bytes]:
        """Return the data that the digest of a part covers besides the names of its images."""


class BoxTargets:
    """Boxes of images.

    Args:
        rows: Objects of each image, float [k, 6], as in `Scene.boxes`.
    """

    def __init__(self, rows: Sequence[np.ndarray]):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> BoxTargets:
        return BoxTargets([self.rows[number] for number in np.arange(len(self))[index]])

    def scene(self, index: int, image: Image.Image) -> Scene:
        """Return an image with its boxes."""
        return Scene(image, boxes=self.rows[index])

    def describe(self) -> str:
        """Return the number of boxes."""
        return f"{sum(map(len, self.rows))} boxes"

    def collate(self, targets: Sequence[np.ndarray], canvas: tuple[int, int]) -> Padded:
        """Return the boxes of views, values [b, longest, 6]."""
        if not targets:
            return Padded(torch.empty(0, 0, 6), torch.empty(0, dtype=torch.int64))
        return Padded.from_rows([torch.from_numpy(rows) for rows in targets])

    def joined(self, others: Sequence[BoxTargets]) -> BoxTargets:
        """Return these boxes followed by those of other parts."""
        return BoxTargets([rows for part in (self, *others) for rows in part.rows])

    def content(self) -> list[bytes]:
        """Return the boxes."""
        return [rows.tobytes() for rows in self.rows]


class MaskTargets:
    """Files of masks, which are read together with their images.

    Args:
        root: Folder that the paths are relative to.
        files: Path of each mask, a grey or palette PNG with a class for each pixel.
        num_classes: Number of classes; greater values are ignored pixels.
    """

    def __init__(self, root: Path, files: Sequence[str], num_classes: int):
        self.root = root
        self.files = files
        self.num_classes = num_classes

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> MaskTargets:
        files = [self.files[number] for number in np.arange(len(self))[index]]
        return MaskTargets(self.root, files, self.num_classes)

    def scene(self, index: int, image: Image.Image) -> Scene:
        """Return an image with its mask.

        Raises:
            UnreadableImage: The mask cannot be read, or has another size than the image.
        """
        mask = read_mask(self.root / self.files[index])
        if mask.shape[::-1] != image.size:
            sizes = " x ".join(map(str, mask.shape[::-1])), " x ".join(map(str, image.size))
            raise UnreadableImage(f"its mask has {sizes[0]} pixels, the image {sizes[1]}")
        return Scene(image, mask=np.where(mask < self.num_classes, mask, IGNORED).astype(np.uint8))

    def describe(self) -> str:
        """Return that they are masks."""
        return "masks"

    def collate(self, targets: Sequence[np.ndarray], canvas: tuple[int, int]) -> Tensor:
        """Return the masks of views, uint8 [b, height, width]."""
        if not targets:
            return torch.empty(0, *canvas, dtype=torch.uint8)
        return torch.from_numpy(np.stack(targets))

    def joined(self, others: Sequence[MaskTargets]) -> MaskTargets:
        """Return these masks followed by those of other parts, below the same folder."""
        files = [file for part in (self, *others) for file in part.files]
        return MaskTargets(self.root, files, self.num_classes)

    def content(self) -> list[bytes]:
        """Return the names of the masks."""
        return [os.fsencode(file) for file in self.files]


def fill_of(preprocessing: Preprocessing) -> np.ndarray:
    """Return the colour beside an image, uint8 [3]: the mean, which is 0 after normalisation."""
    mean: np.ndarray = np.rint(255 * np.array(preprocessing.mean)).astype(np.uint8)
    return mean
