"""Batches of a folder by NVIDIA DALI, on the GPU if there is one, otherwise on the processor."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import torch
from torch import Tensor

from oneshot.data.augmentation import Augmentation, cut_out
from oneshot.data.dali_source import LabelledSource, Read, Source
from oneshot.data.epoch_order import Task
from oneshot.data.errors import InvalidData
from oneshot.data.folder_split import FolderSplit
from oneshot.data.split import Batch

MakeSource: TypeAlias = Callable[[Iterable[Task], bool], Source]
"""Function of the tasks, and of whether Pillow decodes the whole first batch."""


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
    return read_batches(
        partial(LabelledSource, split, augmentation), tasks, augmentation, batch_size, workers
    )


def read_batches(
    make_source: MakeSource,
    tasks: Iterable[Task],
    augmentation: Augmentation,
    batch_size: int,
    workers: int,
) -> Iterator[Batch]:
    """Yield the batches that a source reads; see `batches`."""
    remaining = iter(tasks)
    pending: deque[Read] = deque()
    careful = False
    while True:
        # After a failure the batches that were in the pipeline are read again.
        source = make_source(chain([read.task for read in pending], remaining), careful)
        pending = source.pending
        pipeline = _pipeline(source, augmentation, batch_size, max(workers, 1))
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
                yield images, read.targets.to(images.device)
        except RuntimeError as error:
            # A file is broken although its header is not: read again, and let Pillow name it.
            if careful or not pending:
                raise InvalidData(
                    f"DALI failed on images of {source.split.root}: {str(error).splitlines()[0]}"
                ) from error
            careful = True
        finally:
            del pipeline


def _pipeline(source: Source, augmentation: Augmentation, batch_size: int, threads: int) -> Any:
    fn, types = _dali_modules()
    pipeline_class: Any = importlib.import_module("nvidia.dali.pipeline").Pipeline

    preprocessing = source.split.preprocessing
    cuda = torch.cuda.is_available()
    pipeline = pipeline_class(
        batch_size=batch_size,
        num_threads=threads,
        device_id=torch.cuda.current_device() if cuda else None,
        prefetch_queue_depth=2,
    )
    with pipeline:
        content, start, end, flip, brightness, contrast, saturation, *placement = (
            fn.external_source(source=source, num_outputs=9 if source.places_images else 7)
        )

        images = _decoded_regions(source, content, (start, end), placement)
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


def _decoded_regions(
    source: Source, content: Any, region: tuple[Any, Any], placement: Sequence[Any]
) -> Any:
    """Return the nodes that decode files and resize their regions to the input's size.

    Args:
        source: Source of the pipeline.
        content: Node of the files' bytes.
        region: Nodes of the corners of the regions.
        placement: Nodes of the regions' sizes on the canvas, and of where the canvas begins; empty
            where regions fill the canvas.
    """
    fn, types = _dali_modules()
    images = fn.decoders.image(
        content,
        # "mixed" decodes on the GPU.
        device="mixed" if torch.cuda.is_available() else "cpu",
        output_type=types.RGB,
        jpeg_fancy_upsampling=True,
    )

    start, end = region
    images = fn.resize(
        images,
        size=placement[0] if placement else list(source.size),
        roi_start=start,
        roi_end=end,
        interp_type=types.INTERP_LINEAR,
        antialias=source.split.preprocessing.antialias,
    )
    if not placement:
        return images

    # A window of the input's size around the region, which begins above and left of it.
    return fn.slice(
        images,
        start=placement[1],
        shape=list(source.size),
        axes=[0, 1],
        out_of_bounds_policy="pad",
        fill_values=source.fill,
    )


def _dali_modules() -> tuple[Any, Any]:
    """Return the modules of DALI's functions and types."""
    # Imported by name: DALI's type hints do not cover the functions used here.
    return importlib.import_module("nvidia.dali.fn"), importlib.import_module("nvidia.dali.types")


def _images(pipeline: Any) -> Tensor:
    # Copied, because the pipeline reuses its buffers.
    if torch.cuda.is_available():
        (output,) = pipeline.run(torch.cuda.current_stream())
        images = torch.utils.dlpack.from_dlpack(output.as_tensor()).clone()
    else:
        (output,) = pipeline.run()
        images = torch.from_numpy(output.as_array().copy())
    return images.permute(0, 3, 1, 2)
