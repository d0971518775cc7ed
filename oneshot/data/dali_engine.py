"""Batches of a folder by NVIDIA DALI, on the GPU if there is one, otherwise on the processor."""

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
from oneshot.data.decoding import decode, header
from oneshot.data.epoch_order import Task
from oneshot.data.errors import InvalidData
from oneshot.data.folder_split import FolderSplit, Skipped
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.resampling import Box, centre
from oneshot.data.split import Batch


@dataclass(frozen=True)
class _Read:
    """A batch on its way through the pipeline."""

    task: Task
    labels: Tensor
    numbers: np.ndarray | None


def batches(
    split: FolderSplit,
    tasks: Iterable[Task],
    augmentation: Augmentation,
    batch_size: int,
    workers: int,
) -> Iterator[Batch]:
    """Yield the batches of tasks in their order, on the current CUDA device if there is one.

    Args:
        split: Split whose images are read.
        tasks: Specifications of the batches.
        augmentation: Augmentation of training images.
        batch_size: Size of the largest task.
        workers: Number of threads.

    Raises:
        InvalidData: DALI cannot decode an image that Pillow can.
    """
    remaining = iter(tasks)
    pending: deque[_Read] = deque()
    careful = False
    while True:
        # After a failure the batches that were in the pipeline are read again.
        source = _Source(
            split, chain([read.task for read in pending], remaining), augmentation, careful
        )
        pending = source.pending
        pipeline = _pipeline(source, split.preprocessing, augmentation, batch_size, max(workers, 1))
        try:
            while True:
                try:
                    images = _images(pipeline)
                except StopIteration:
                    return
                read = pending.popleft()
                careful = False
                if augmentation.cutout and read.numbers is not None:
                    images = cut_out(images, read.numbers, augmentation.cutout)
                yield images, read.labels.to(images.device)
        except RuntimeError as error:
            # A file is broken although its header is not: read again, and let Pillow name it.
            if careful or not pending:
                raise InvalidData(
                    f"DALI failed on images of {split.root}: {str(error).splitlines()[0]}"
                ) from error
            careful = True
        finally:
            del pipeline


class _Source:
    """Reads files for the pipeline, one batch per call.

    Plain JPEG files are passed on unchanged. All others are decoded by Pillow and passed on as
    uncompressed images, so that both loaders agree on every format.

    Args:
        split: Split whose files are read.
        tasks: Specifications of the batches.
        augmentation: Augmentation of training images.
        careful: Whether Pillow decodes the whole first batch.
    """

    def __init__(
        self, split: FolderSplit, tasks: Iterable[Task], augmentation: Augmentation, careful: bool
    ):
        self.split = split
        self.tasks = iter(tasks)
        self.augmentation = augmentation
        self.careful = careful
        self.size = (split.preprocessing.input_shape[1], split.preprocessing.input_shape[2])
        self.pending: deque[_Read] = deque()

    def __call__(self) -> tuple[Any, ...]:
        while True:
            # The StopIteration of the last task ends the pipeline.
            task = next(self.tasks)
            skipped: list[Skipped] = []
            loaded = [
                self.split.load(index, task.replace, self._checked, skipped)
                for index in task.indices.tolist()
            ]
            self.split.note(skipped)
            self.careful = False
            rows = [row for row, image in enumerate(loaded) if image is not None]
            if rows:
                break

        images = [image for image in loaded if image is not None]
        numbers = None if task.numbers is None else task.numbers[rows]
        labels = self.split.labels[[index for index, _ in images]]
        self.pending.append(_Read(task, labels, numbers))

        boxes = np.array(
            [
                self._box(size, None if numbers is None else numbers[row])
                for row, (_, (_, size)) in enumerate(images)
            ],
            np.float32,
        )

        flips = np.zeros(len(rows), np.int32)
        factors = np.ones((len(rows), 3), np.float32)
        if numbers is not None:
            flips = self.augmentation.flips(numbers).astype(np.int32)
            factors = self.augmentation.factors(numbers)

        # DALI takes regions as (top, left) and (bottom, right).
        contents = [content for _, (content, _) in images]
        starts = boxes[:, [1, 0]]
        ends = boxes[:, [3, 2]]
        return contents, starts.copy(), ends.copy(), flips, *(column.copy() for column in factors.T)

    def _checked(self, content: bytes) -> tuple[np.ndarray, tuple[int, int]]:
        file_header = header(content)
        if file_header.plain and not self.careful:
            size = (file_header.width, file_header.height)
            return np.frombuffer(content, np.uint8), size

        image, _ = decode(content)
        uncompressed = io.BytesIO()
        image.save(uncompressed, "PPM")
        return np.frombuffer(uncompressed.getvalue(), np.uint8), image.size

    def _box(self, size: tuple[int, int], numbers: np.ndarray | None) -> Box:
        if numbers is not None:
            return self.augmentation.crop(*size, numbers)
        return centre(*size, self.size, self.split.preprocessing.rounds_sizes)


def _pipeline(
    source: _Source,
    preprocessing: Preprocessing,
    augmentation: Augmentation,
    batch_size: int,
    threads: int,
) -> Any:
    # Imported by name: DALI's type hints do not cover the functions used here.
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

        # "mixed" decodes on the GPU.
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
        if augmentation.jitter:
            images = fn.color_twist(
                images, brightness=brightness, contrast=contrast, saturation=saturation
            )

        if preprocessing.bgr:
            images = fn.color_space_conversion(images, image_type=types.RGB, output_type=types.BGR)

        # Scaled by 255: DALI normalises bytes, torch fractions.
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
    # Copied, because the pipeline reuses its buffers.
    if torch.cuda.is_available():
        (output,) = pipeline.run(torch.cuda.current_stream())
        images = torch.utils.dlpack.from_dlpack(output.as_tensor()).clone()
    else:
        (output,) = pipeline.run()
        images = torch.from_numpy(output.as_array().copy())
    return images.permute(0, 3, 1, 2)
