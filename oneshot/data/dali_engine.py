"""Batches of a folder by NVIDIA DALI, on the GPU where there is one, else on the processor."""

from __future__ import annotations

import importlib
import io
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oneshot.data.augmentation import Augmentation, cut_out
from oneshot.data.decoding import decoded, header
from oneshot.data.epoch_order import Task
from oneshot.data.errors import InvalidData
from oneshot.data.folder_split import FolderSplit, Skipped
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.resampling import Box, centre
from oneshot.data.split import Batch


@dataclass(frozen=True)
class _Read:
    # A batch on its way through the pipeline.
    task: Task
    labels: Tensor
    numbers: np.ndarray | None


def batches(
    split: FolderSplit, tasks: Iterable[Task], how: Augmentation, batch_size: int, workers: int
) -> Iterator[Batch]:
    """The batches of tasks, in their order; on the current CUDA device where there is one.

    Args:
        split: whose images are read.
        tasks: what is in each batch.
        how: training images are augmented.
        batch_size: of the largest task.
        workers: threads.

    Raises:
        InvalidData: DALI cannot decode what Pillow can.
    """
    rest = iter(tasks)
    waiting: deque[_Read] = deque()
    careful = False
    while True:
        source = _Source(split, chain([read.task for read in waiting], rest), how, careful)
        waiting = source.waiting
        pipeline = _pipeline(source, split.preprocessing, how, batch_size, max(workers, 1))
        try:
            while True:
                try:
                    images = _images(pipeline)
                except StopIteration:
                    return
                read = waiting.popleft()
                careful = False
                if how.cutout and read.numbers is not None:
                    images = cut_out(images, read.numbers, how.cutout)
                yield images, read.labels.to(images.device)
        except RuntimeError as error:
            # A file that looked whole and is not: once more, with Pillow to say which one.
            if careful or not waiting:
                raise InvalidData(
                    f"DALI failed on images of {split.root}: {str(error).splitlines()[0]}"
                ) from error
            careful = True
        finally:
            del pipeline


class _Source:
    """Reads files for the pipeline, one batch a call.

    Plain JPEG files go through as they are; all others are decoded by Pillow and go through as
    uncompressed images, so that both loaders agree on every format.

    Args:
        split: whose files are read.
        tasks: what is in each batch.
        how: training images are augmented.
        careful: decode the first batch by Pillow altogether.
    """

    def __init__(self, split: FolderSplit, tasks: Iterable[Task], how: Augmentation, careful: bool):
        self.split, self.tasks, self.how, self.careful = split, iter(tasks), how, careful
        self.size = (split.preprocessing.input_shape[1], split.preprocessing.input_shape[2])
        self.waiting: deque[_Read] = deque()

    def __call__(self) -> tuple[Any, ...]:
        while True:
            task = next(self.tasks)  # its StopIteration ends the pipeline
            skipped: list[Skipped] = []
            found = [
                self.split.load(index, task.replace, self._checked, skipped)
                for index in task.indices.tolist()
            ]
            self.split.note(skipped)
            self.careful = False
            kept = [row for row, image in enumerate(found) if image is not None]
            if kept:
                break
        images = [image for image in found if image is not None]
        numbers = None if task.numbers is None else task.numbers[kept]
        self.waiting.append(_Read(task, self.split.labels[[place for place, _ in images]], numbers))
        boxes = np.array(
            [
                self._box(size, None if numbers is None else numbers[row])
                for row, (_, (_, size)) in enumerate(images)
            ],
            np.float32,
        )
        flips = (
            np.zeros(len(kept), np.int32)
            if numbers is None
            else self.how.flips(numbers).astype(np.int32)
        )
        factors = (
            np.ones((len(kept), 3), np.float32) if numbers is None else self.how.factors(numbers)
        )
        contents = [content for _, (content, _) in images]
        starts, ends = boxes[:, [1, 0]], boxes[:, [3, 2]]
        return contents, starts.copy(), ends.copy(), flips, *(column.copy() for column in factors.T)

    def _checked(self, content: bytes) -> tuple[np.ndarray, tuple[int, int]]:
        known = header(content)
        if known.plain and not self.careful:
            return np.frombuffer(content, np.uint8), (known.width, known.height)
        image, _ = decoded(content)
        plain = io.BytesIO()
        image.save(plain, "PPM")
        return np.frombuffer(plain.getvalue(), np.uint8), image.size

    def _box(self, size: tuple[int, int], numbers: np.ndarray | None) -> Box:
        return centre(*size, self.size) if numbers is None else self.how.crop(*size, numbers)


def _pipeline(
    source: _Source, preprocessing: Preprocessing, how: Augmentation, batch_size: int, threads: int
) -> Any:
    # Its type hints do not cover what is used here.
    fn, types = (importlib.import_module(f"nvidia.dali.{name}") for name in ("fn", "types"))
    pipeline_class: Any = importlib.import_module("nvidia.dali.pipeline").Pipeline

    cuda = torch.cuda.is_available()
    pipeline = pipeline_class(
        batch_size=batch_size,
        num_threads=threads,
        device_id=torch.cuda.current_device() if cuda else None,
        prefetch_queue_depth=2,
    )
    with pipeline:
        content, start, end, flip, brightness, contrast, saturation = fn.external_source(
            source=source, num_outputs=7
        )
        images = fn.decoders.image(
            content,
            device="mixed" if cuda else "cpu",
            output_type=types.RGB,
            jpeg_fancy_upsampling=True,
        )
        images = fn.resize(
            images,
            size=list(source.size),
            roi_start=start,
            roi_end=end,
            interp_type=types.INTERP_LINEAR,
            antialias=preprocessing.antialias,
        )
        if how.jitter:
            images = fn.color_twist(
                images, brightness=brightness, contrast=contrast, saturation=saturation
            )
        if preprocessing.bgr:
            images = fn.color_space_conversion(images, image_type=types.RGB, output_type=types.BGR)
        pipeline.set_outputs(
            fn.crop_mirror_normalize(
                images,
                mirror=flip,
                mean=[255 * mean for mean in preprocessing.mean],
                std=[255 * deviation for deviation in preprocessing.deviation],
                dtype=types.FLOAT,
                output_layout="HWC",
            )
        )
    pipeline.build()
    return pipeline


def _images(pipeline: Any) -> Tensor:
    # A copy: the pipeline uses its buffers again.
    if torch.cuda.is_available():
        (found,) = pipeline.run(torch.cuda.current_stream())
        images = torch.utils.dlpack.from_dlpack(found.as_tensor()).clone()
    else:
        (found,) = pipeline.run()
        images = torch.from_numpy(found.as_array().copy())
    return images.permute(0, 3, 1, 2)
