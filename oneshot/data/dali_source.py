"""Input of NVIDIA DALI's pipeline: files, the regions that are seen of them, and targets."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from oneshot.data.augmentation import Augmentation
from oneshot.data.decoding import decode, header
from oneshot.data.epoch_order import Task
from oneshot.data.folder_split import FolderSplit, Skipped
from oneshot.data.resampling import Box, centre


@dataclass(frozen=True)
class Read:
    """A batch on its way through the pipeline.

    Args:
        task: Specification of the batch.
        targets: Its targets.
        numbers: Random numbers [b, NUMBERS] of its images; None: they are not augmented.
    """

    task: Task
    targets: Any
    numbers: np.ndarray | None


class Source(ABC):
    """Reads files for the pipeline, one batch per call.

    Args:
        split: Split whose files are read.
        augmentation: Augmentation of training images.
        tasks: Specifications of the batches.
        careful: Whether Pillow decodes the whole first batch.
    """

    places_images: ClassVar[bool] = False
    """Whether regions have a size and a place on the input of their own, in `placements`."""

    fill: Sequence[int] = ()
    """Colour of the input beside placed regions."""

    def __init__(
        self, split: FolderSplit, augmentation: Augmentation, tasks: Iterable[Task], careful: bool
    ):
        self.split = split
        self.augmentation = augmentation
        self.tasks = iter(tasks)
        self.careful = careful
        self.size = (split.preprocessing.input_shape[1], split.preprocessing.input_shape[2])
        self.pending: deque[Read] = deque()

    def __call__(self) -> tuple[Any, ...]:
        while True:
            # The StopIteration of the last task ends the pipeline.
            task = next(self.tasks)
            skipped: list[Skipped] = []
            loaded = [
                self.load(task, row, index, skipped)
                for row, index in enumerate(task.indices.tolist())
            ]
            self.split.note(skipped)
            self.careful = False
            rows = [row for row, image in enumerate(loaded) if image is not None]
            if rows:
                break

        images = [image for image in loaded if image is not None]
        numbers = None if task.numbers is None else task.numbers[rows]
        self.pending.append(Read(task, self.targets(images), numbers))

        factors = np.ones((len(rows), 3), np.float32)
        if numbers is not None:
            factors = self.augmentation.factors(numbers)
        columns = (column.copy() for column in factors.T)
        return *self.regions(images, numbers), *columns, *self.placements(images)

    @abstractmethod
    def load(self, task: Task, row: int, index: int, skipped: list[Skipped]) -> Any | None:
        """Read one image; see `FolderSplit.load_by`.

        Args:
            task: Specification of the batch.
            row: Row of the image in the batch.
            index: Index of the image.
            skipped: List that unreadable images are appended to.
        """

    @abstractmethod
    def targets(self, images: Sequence[Any]) -> Any:
        """Return the targets of loaded images as those of a batch."""

    @abstractmethod
    def regions(
        self, images: Sequence[Any], numbers: np.ndarray | None
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        """Return the files, the regions that are seen, and which images are flipped.

        Args:
            images: Loaded images.
            numbers: Random numbers [b, NUMBERS]; None: they are not augmented.

        Returns:
            Bytes of each file, (top, left) and (bottom, right) of each region, float32 [b, 2], and
            int32 [b].
        """

    def placements(self, images: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """Return height and width of each region on the input, and where the input begins.

        The second is (top, left) of the input's window in pixels of the resized region, which are
        not positive. Both are [b, 2]; there are none where regions fill the input.
        """
        return ()


class LabelledSource(Source):
    """Reads images of classes, of which a region fills the input."""

    def load(self, task: Task, row: int, index: int, skipped: list[Skipped]) -> Any | None:
        """Return the index, the bytes and the size of an image."""
        read = partial(encoded, careful=self.careful)
        return self.split.load(index, task.replace, read, skipped)

    def targets(self, images: Sequence[Any]) -> Any:
        """Return the classes of images."""
        return self.split.labels[[index for index, _ in images]]

    def regions(
        self, images: Sequence[Any], numbers: np.ndarray | None
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        """Return random regions of training images, and the centres of others."""
        boxes = np.array(
            [
                self._box(size, None if numbers is None else numbers[row])
                for row, (_, (_, size)) in enumerate(images)
            ],
            np.float32,
        )
        flips = np.zeros(len(images), np.int32)
        if numbers is not None:
            flips = self.augmentation.flips(numbers).astype(np.int32)
        return [content for _, (content, _) in images], *corners(boxes), flips

    def _box(self, size: tuple[int, int], numbers: np.ndarray | None) -> Box:
        if numbers is not None:
            return self.augmentation.crop(*size, numbers)
        return centre(*size, self.size, self.split.preprocessing.rounds_sizes)


def encoded(content: bytes, careful: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the bytes of an image that DALI decodes, uint8, and its width and height.

    Plain JPEG files are passed on unchanged. All others are decoded by Pillow and passed on as
    uncompressed images, so that both loaders agree on every format.

    Args:
        content: Bytes of the file.
        careful: Whether Pillow decodes plain JPEG files as well.

    Raises:
        UnreadableImage: The image is broken.
    """
    file_header = header(content)
    if file_header.plain and not careful:
        return np.frombuffer(content, np.uint8), (file_header.width, file_header.height)

    image, _ = decode(content)
    return uncompressed(image), image.size


def uncompressed(image: Image.Image) -> np.ndarray:
    """Return an image as an uncompressed file, uint8."""
    file = io.BytesIO()
    image.save(file, "PPM")
    return np.frombuffer(file.getvalue(), np.uint8)


def corners(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (top, left) and (bottom, right) of boxes [b, 4], as DALI takes regions."""
    return boxes[:, [1, 0]].copy(), boxes[:, [3, 2]].copy()
