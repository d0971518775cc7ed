"""Scenes for NVIDIA DALI, whose boxes and masks are moved by the same views as Pillow's."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image

from oneshot.data.dali_source import Source, corners, encoded, uncompressed
from oneshot.data.decoding import read_file
from oneshot.data.epoch_order import Task
from oneshot.data.folder_split import Skipped
from oneshot.data.scenes.rendering import view_of
from oneshot.data.scenes.scene import Scene, fill_of
from oneshot.data.scenes.views import View, letterbox


class _Loaded(NamedTuple):
    """A file that DALI decodes, its view, and the target of that view."""

    content: np.ndarray
    view: View
    target: np.ndarray


class SceneSource(Source):
    """Reads scenes for DALI's pipeline; see `Source` for the arguments.

    Mosaics are made by Pillow and passed on as uncompressed images.
    """

    places_images: ClassVar[bool] = True

    def __init__(self, split: Any, *arguments: Any):
        super().__init__(split, *arguments)
        self.fill = fill_of(split.preprocessing).tolist()

    def load(self, task: Task, row: int, index: int, skipped: list[Skipped]) -> _Loaded | None:
        """Read a scene; see `Source.load`."""
        numbers = None if task.numbers is None else task.numbers[row]
        read = partial(self._read, numbers=numbers, skipped=skipped)
        loaded = self.split.load_by(index, task.replace, read, skipped)
        return None if loaded is None else loaded[1]

    def targets(self, images: Sequence[_Loaded]) -> Any:
        """Return the boxes or masks of views."""
        return self.split.labels.collate([image.target for image in images], self.size)

    def regions(
        self, images: Sequence[_Loaded], numbers: np.ndarray | None
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        """Return the regions and flips of the views."""
        boxes = np.array([image.view.crop for image in images], np.float32)
        flips = np.array([image.view.flip for image in images], np.int32)
        return [image.content for image in images], *corners(boxes), flips

    def placements(self, images: Sequence[_Loaded]) -> tuple[np.ndarray, ...]:
        """Return the sizes of the regions on the canvas, and where the canvas begins."""
        sizes = np.array([image.view.size[::-1] for image in images], np.float32)
        offsets = np.array([image.view.offset[::-1] for image in images], np.int32)
        return sizes, -offsets

    def _read(self, index: int, numbers: np.ndarray | None, skipped: list[Skipped]) -> _Loaded:
        split: Any = self.split
        if numbers is not None and self.augmentation.joins(numbers):
            pixels, target = split.rendered(index, numbers, self.augmentation, skipped)
            full_view = letterbox(self.size[1], self.size[0], self.size)
            return _Loaded(uncompressed(Image.fromarray(pixels)), full_view, target)

        content, size = encoded(read_file(split.root / split.files[index]), self.careful)
        # Only its size is needed, for which nothing is decoded.
        image = Image.open(io.BytesIO(content.tobytes()))
        scene: Scene = split.labels.scene(index, image)
        view = view_of(size, scene.boxes, numbers, self.size, self.augmentation)
        return _Loaded(content, view, scene.target(view))
