"""Parts of data sets of scenes, in files or in memory."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from oneshot.data.augmentation import Augmentation, cut_out, jitter
from oneshot.data.decoding import decode, header, read_file
from oneshot.data.epoch_order import Task
from oneshot.data.folder_split import CHUNK, FolderSplit, Skipped
from oneshot.data.memory import MemorySplit
from oneshot.data.padded import Padded
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.scenes.rendering import render
from oneshot.data.scenes.scene import Scene, SceneTargets
from oneshot.data.scenes.views import SCENES
from oneshot.data.split import Batch, Indices
from oneshot.data.torch_engine import in_chunks


@dataclass(frozen=True)
class SceneFolder(FolderSplit):
    """Image files with boxes or masks, which are read when a batch is requested.

    Evaluation sees the whole image in the middle of the network's input. `labels` are
    `SceneTargets` in pixels of the images; those of a batch are in pixels of the input.
    """

    joins_images: ClassVar[bool] = True

    def scene(self, index: int) -> Scene:
        """Return an image with its targets.

        Raises:
            UnreadableImage: The image or its mask is broken, or their sizes differ.
        """
        content = read_file(self.root / self.files[index])
        # The header's check names files that end too early, which Pillow alone may fill up.
        header(content)
        scene: Scene = self.labels.scene(index, decode(content)[0])
        return scene

    def rendered(
        self,
        index: int,
        numbers: np.ndarray | None,
        augmentation: Augmentation,
        skipped: list[Skipped],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels and the target of an image; see `render`.

        Args:
            index: Index of the image.
            numbers: Random numbers [NUMBERS] of a training image; None: it is seen as in
                evaluation.
            augmentation: Random changes of training images.
            skipped: List that unreadable further images of a mosaic are appended to.

        Raises:
            UnreadableImage: The image or its mask is broken, or their sizes differ.
        """

        def draw_scene(rng: np.random.Generator) -> Scene:
            loaded = self.load_by(int(rng.integers(len(self))), True, self.scene, skipped)
            assert loaded is not None, "an unreadable image is replaced"
            return loaded[1]

        scene = self.scene(index)
        return render(scene, numbers, self.preprocessing, augmentation, draw_scene)

    def tensors(self, indices: Indices | None = None) -> Batch:
        """Return the preprocessed images and the targets, without unreadable files."""
        return joined(self.batches(CHUNK, indices), self.labels, self.preprocessing)

    def _read(
        self, tasks: Iterable[Task], augmentation: Augmentation, batch_size: int, ranks: int = 1
    ) -> Iterator[Batch]:
        if self.loader == "dali":
            # Imported on demand: DALI is an extra.
            from oneshot.data.dali_engine import read_batches
            from oneshot.data.scenes.dali_reader import SceneSource

            source = functools.partial(SceneSource, self, augmentation)
            return read_batches(source, tasks, augmentation, batch_size, self.parallel(ranks))

        def join(chunks: list[_Chunk]) -> Batch:
            for chunk in chunks:
                self.note(chunk.skipped)
            return _joined(chunks, self.labels, self.preprocessing, augmentation)

        reader = _Chunks(self, augmentation)
        return in_chunks(reader, join, tasks, batch_size, self.parallel(ranks))


@dataclass(frozen=True)
class SceneMemory(MemorySplit):
    """Scenes in memory.

    Args:
        scenes: Images with their boxes or masks.
        targets: The same targets, which know how batches are made of them.
        preprocessing: Size and colours of the network's input.
        augmentation: Augmentation of `epochs(augment=True)`.
    """

    scenes: Sequence[Scene]
    targets: SceneTargets
    preprocessing: Preprocessing
    augmentation: Augmentation = SCENES

    joins_images: ClassVar[bool] = True

    # Computed, while other parts in memory store them.
    @functools.cached_property
    def labels(self) -> Any:  # type: ignore[override]
        """Targets of all images in pixels of the network's input."""
        return self.tensors()[1]

    def __len__(self) -> int:
        return len(self.scenes)

    def tensors(self, indices: Indices | None = None) -> Batch:
        """Return the preprocessed images and the targets."""
        return joined(self.batches(CHUNK, indices), self.targets, self.preprocessing)

    def make_batch(self, task: Task, augmentation: Augmentation) -> Batch:
        """Return the batch of a task."""
        chunk = _chunk(
            [self._rendered(task, row, augmentation) for row in range(len(task.indices))],
            task.numbers,
            self.preprocessing,
            augmentation,
        )
        return _joined([chunk], self.targets, self.preprocessing, augmentation)

    def _rendered(
        self, task: Task, row: int, augmentation: Augmentation
    ) -> tuple[np.ndarray, np.ndarray]:
        numbers = None if task.numbers is None else task.numbers[row]
        scene = self.scenes[int(task.indices[row])]
        return render(
            scene,
            numbers,
            self.preprocessing,
            augmentation,
            lambda rng: self.scenes[int(rng.integers(len(self)))],
        )


def joined(batches: Iterable[Batch], targets: SceneTargets, preprocessing: Preprocessing) -> Batch:
    """Return batches of scenes as one.

    Args:
        batches: Images and targets.
        targets: Targets of the part.
        preprocessing: Preprocessing of the images.
    """
    images: list[Tensor] = [torch.empty(0, *preprocessing.input_shape)]
    rows: list[np.ndarray] = []
    for batch, batch_targets in batches:
        # DALI may have them on a GPU.
        images.append(batch.cpu())
        on_cpu = batch_targets.to("cpu")
        rows += [row.numpy() for row in (on_cpu.rows() if isinstance(on_cpu, Padded) else on_cpu)]

    canvas = preprocessing.input_shape[1], preprocessing.input_shape[2]
    together = torch.cat(images).contiguous(memory_format=torch.channels_last)
    return together, targets.collate(rows, canvas)


class _Chunk(NamedTuple):
    """A chunk of a batch as pixels, which cross processes in a quarter of the bytes of floats."""

    pixels: Tensor
    targets: list[np.ndarray]
    numbers: np.ndarray | None
    skipped: list[Skipped]


def _chunk(
    rendered: Sequence[tuple[np.ndarray, np.ndarray]],
    numbers: np.ndarray | None,
    preprocessing: Preprocessing,
    augmentation: Augmentation,
    skipped: list[Skipped] | None = None,
) -> _Chunk:
    """Return a chunk of rendered scenes with the colours of the augmentation."""
    pixels = np.empty((len(rendered), *preprocessing.input_shape[1:], 3), np.uint8)
    for row, (image, _) in enumerate(rendered):
        pixels[row] = image

    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    if numbers is not None and augmentation.jitter:
        images = jitter(images, torch.from_numpy(augmentation.factors(numbers)))
    return _Chunk(images, [target for _, target in rendered], numbers, skipped or [])


def _joined(
    chunks: list[_Chunk],
    targets: SceneTargets,
    preprocessing: Preprocessing,
    augmentation: Augmentation,
) -> Batch:
    images = preprocessing.normalised(torch.cat([chunk.pixels for chunk in chunks]))
    if augmentation.cutout:
        # Views into `images`: the squares are cut in place.
        views = torch.split(images, [len(chunk.pixels) for chunk in chunks])
        for chunk, view in zip(chunks, views, strict=True):
            if chunk.numbers is not None:
                cut_out(view, chunk.numbers, augmentation.cutout)

    canvas = preprocessing.input_shape[1], preprocessing.input_shape[2]
    return images, targets.collate([row for chunk in chunks for row in chunk.targets], canvas)


class _Chunks(Dataset[_Chunk]):
    """Reads chunks, each given as a task, in a worker process."""

    def __init__(self, split: SceneFolder, augmentation: Augmentation):
        self.split = split
        self.augmentation = augmentation

    def __getitem__(self, task: Task) -> _Chunk:
        rendered = []
        rows: list[int] = []
        skipped: list[Skipped] = []
        for row, index in enumerate(task.indices.tolist()):
            numbers = None if task.numbers is None else task.numbers[row]
            read = functools.partial(
                self.split.rendered,
                numbers=numbers,
                augmentation=self.augmentation,
                skipped=skipped,
            )
            loaded = self.split.load_by(index, task.replace, read, skipped)
            if loaded is not None:
                rendered.append(loaded[1])
                rows.append(row)

        numbers = None if task.numbers is None else task.numbers[rows]
        return _chunk(rendered, numbers, self.split.preprocessing, self.augmentation, skipped)
