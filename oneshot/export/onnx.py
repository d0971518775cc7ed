"""Export a trained network to ONNX and check it against torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oneshot.data.request import title
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.export.comparison import TOLERANCE, compare
from oneshot.export.conversion import OPSET, OPSETS, operators, write_onnx
from oneshot.export.decoding import NamedDecoder, decoding_space, short_input
from oneshot.export.inputs import NetworkInputs
from oneshot.run import Run
from oneshot.tasks.registry import DEFAULT
from spaces.errors import PathfitError
from spaces.files import replacing

if TYPE_CHECKING:
    from oneshot.data.images import ImageData

# Number of images of the data set that the check compares.
_NUM_IMAGES = 16
_BATCH_NORM = "BatchNormalization"


@dataclass(frozen=True)
class Export:
    """Exported model and the result of its check.

    Args:
        path: ONNX file.
        difference: Largest absolute difference from torch's logits, relative to their largest.
        opset: Opset version of ONNX.
        nodes: Number of operators.
        norms: Number of batch normalisations among the operators.
        images: Number of images of the data set that were compared, in addition to random ones; 0
            if the data set is not available.
    """

    path: Path
    difference: float
    opset: int = OPSET
    nodes: int = 0
    norms: int = 0
    images: int = 0


def export(
    run: Run,
    path: str | Path,
    *,
    opset: int = OPSET,
    fold_bn: bool = False,
    raw: bool = False,
    cache: bool = False,
) -> Export:
    """Check a run's network under onnxruntime and write it as ONNX with a dynamic batch size.

    Args:
        run: Trained run of the kind `network`.
        path: ONNX file to write; its metadata is that of `described`.
        opset: Opset version of ONNX, one of `OPSETS`.
        fold_bn: Whether to fold batch normalisations into the convolutions before them.
        raw: Whether the file has the network's own outputs where its task would decode them, as
            those of a detector.
        cache: Whether the file decodes one token with a cache of any length, of networks of text:
            the cached keys and values are inputs, and outputs that have the token's as well.

    Raises:
        InvalidOption: The opset is not one of `OPSETS`, the task decodes nothing, or the network
            has no cache.
        InvalidRun: The exported model's logits differ from torch's; nothing is written.
    """
    if opset not in OPSETS:
        raise InvalidOption(f"opset must be from {OPSETS[0]} to {OPSETS[-1]}, not {opset}")

    model = run.load()
    decoding = run.task.exported(model)
    if decoding is None and raw:
        raise InvalidOption(
            f"raw: outputs of the task {run.settings.task} are never decoded; leave it out"
        )
    if decoding is not None and not raw:
        model = decoding

    space = decoding_space(run.space) if cache else run.space
    inputs = NetworkInputs.from_space(space, run.architecture)
    if cache:
        model = NamedDecoder(model, list(inputs.names))

    try:
        data = run.data()
        images = data.test.tensors(range(min(_NUM_IMAGES, len(data.test))))[0]
        shape = run.space.input_shape_of(run.architecture)
        # Windows of text may be longer than what a network reads at once.
        if shape != run.input_shape:
            images = images[..., : shape[-1]]
    # The machine that exports a network need not have its data set.
    except PathfitError:
        data = None
        images = None

    # A model that fails the check never replaces an existing file.
    with replacing(path) as temporary_path:
        metadata = described(run, data)
        write_onnx(model, inputs, temporary_path, metadata, opset=opset, fold_bn=fold_bn)
        # Whole texts are no inputs of a step; another length of the cache is compared instead.
        further = [short_input(run.space, run.architecture)] if cache else images
        difference = compare(model, inputs, temporary_path, further)

        # Negated so that NaN fails too.
        if not difference <= TOLERANCE:
            raise InvalidRun(
                f"{run.folder}: the exported model differs from torch by {difference:.2g}"
            )
        nodes = operators(temporary_path)

    return Export(
        Path(path),
        difference,
        opset,
        nodes.total(),
        nodes[_BATCH_NORM],
        0 if images is None or cache else len(images),
    )


def described(run: Run, data: ImageData | None) -> dict[str, str]:
    """Return the metadata that a model's user needs.

    Args:
        run: Run of the kind `network`.
        data: Data set of the run; None to use the record in the run.

    Returns:
        `architecture` and `pathfit` (the version); `task`, unless it is classification; `data`, the
        recorded data set without the folder of the images; `classes`, a JSON list of names;
        `preprocessing`, a JSON object of layout, input_shape (channels, height, width) and, if the
        data set defines them, colours, mean, deviation and resizing. Of a model of several inputs
        it has their shapes, `inputs`.
    """
    settings = run.settings

    # The run's record takes precedence: the data set may have changed since the training.
    classes = settings.classes or (list(data.classes) if data is not None else [])
    recorded = settings.preprocessing
    if recorded is None and data is not None and data.preprocessing is not None:
        recorded = data.preprocessing.to_dict()
    preprocessing = {**(recorded or {})}
    shapes = run.space.input_shapes
    if len(shapes) == 1:
        preprocessing |= {"layout": "NCHW", "input_shape": list(run.input_shape)}
    else:
        preprocessing["inputs"] = {name: list(shape) for name, shape in shapes.items()}

    # Files without the entry are of classifications.
    task = {} if settings.task == DEFAULT else {"task": settings.task}
    return {
        "architecture": run.architecture.to_json(),
        "data": json.dumps({**settings.data, "name": title(settings.data["name"])}),
        "classes": json.dumps(list(classes)),
        "preprocessing": json.dumps(preprocessing),
        "pathfit": settings.version,
        **task,
    }
