"""Export a trained network as an int8 ONNX file, with its accuracy next to that in floats."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from oneshot.data.structured import is_single
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.calibration import CALIBRATION_IMAGES, calibration_batches
from oneshot.evaluation.tallies import tally_of
from oneshot.export.conversion import OPSET
from oneshot.export.inputs import INPUT
from oneshot.export.onnx import export
from oneshot.export.onnx_network import OnnxNetwork
from profiler.backends.onnx_quantisation import integer_operators, quantised
from spaces.errors import PathfitError
from spaces.files import replacing

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run import Run
    from oneshot.tasks.task import Task

PRECISION = "int8"
PROVIDER = "CPUExecutionProvider"

HEAD = "classes"

_ACCURACY = "top1"
_BATCH = 250


@dataclass(frozen=True)
class Int8Export:
    """Exported int8 file and what it costs in accuracy.

    Args:
        path: ONNX file.
        metric: Name of the metric that the two files are compared by.
        fp32: Value of the metric with the file in floats.
        int8: Value with the int8 file.
        drop: By how much the int8 file is worse, in the metric's unit; below 0 it is better.
        images: Number of validation images of both values.
        calibration_images: Number of training images that ranges were calibrated on.
        integer_operators: Number of operators that onnxruntime computes in integers.
    """

    path: Path
    metric: str
    fp32: float
    int8: float
    drop: float
    images: int
    calibration_images: int
    integer_operators: int


def export_int8(
    run: Run,
    path: str | Path,
    *,
    opset: int = OPSET,
    max_drop: float | None = None,
    calibration_images: int = CALIBRATION_IMAGES,
) -> Int8Export:
    """Quantise a run's network by onnxruntime's static quantisation and write it as ONNX.

    The file has quantise and dequantise nodes (QDQ), signed integers, and a scale for each output
    channel of the weights. Batch normalisations are folded. Ranges of activations are those of
    training images. Both files are evaluated under onnxruntime on the validation part, which a
    retraining has not seen, so that the test part stays untouched by the decision of `max_drop`.

    Args:
        run: Trained run of the kind `network`.
        path: ONNX file to write; its metadata is that of `oneshot.export.onnx.described`, with
            `precision` and `calibration`.
        opset: Opset version of ONNX.
        max_drop: Largest loss that is accepted, in the metric's unit (points of top-1 accuracy for
            a classification); None: any.
        calibration_images: Number of training images that ranges are calibrated on.

    Raises:
        InvalidOption: The network's inputs are not images, or its data set is not on this machine.
        InvalidRun: The int8 network loses more than `max_drop`, or none of its operators runs in
            integers; nothing is written.
    """
    data = _data_of(run)
    task = run.task
    metric = _ACCURACY if _ACCURACY in task.metrics else task.score
    batches = calibration_batches(data.train, calibration_images)
    count = sum(len(batch) for batch in batches)

    with tempfile.TemporaryDirectory() as folder:
        exact_path = Path(folder) / "fp32.onnx"
        export(run, exact_path, opset=opset, fold_bn=True)
        feeds = [{INPUT: batch.contiguous().numpy()} for batch in batches]
        proto = _described(quantised(exact_path.read_bytes(), feeds), exact_path, count)
        operators = integer_operators(proto, PROVIDER)
        fp32 = _value(exact_path, data, task, metric)

    if not operators:
        raise InvalidRun(
            f"{run.folder}: onnxruntime computes none of the network's operators in int8"
        )

    # A file that loses too much never replaces an existing one.
    with replacing(path) as temporary:
        temporary.write_bytes(proto)
        int8 = _value(temporary, data, task, metric)
        drop = fp32 - int8 if task.metrics[metric].higher_is_better else int8 - fp32

        # Negated so that NaN fails too.
        if max_drop is not None and not drop <= max_drop:
            raise InvalidRun(
                f"max_drop: in int8 {task.title(metric)} falls from {task.text(metric, fp32)} to"
                f" {task.text(metric, int8)} on {len(data.validation)} validation images, by"
                f" {drop:.2f} rather than at most {max_drop:g}; retrain with --under int8=1, or"
                " raise --max-drop"
            )

    return Int8Export(
        Path(path), metric, fp32, int8, drop, len(data.validation), count, len(operators)
    )


def _data_of(run: Run) -> ImageData:
    """Return the data set of a run of images."""
    try:
        data = run.data()
    except PathfitError as error:
        raise InvalidOption(
            f"precision: int8 is calibrated on training images, which cannot be read: {error}"
        ) from error
    if not is_single(data) or len(run.space.input_shapes) != 1 or run.task.head != HEAD:
        raise InvalidOption(
            "precision: int8 is for networks that map images to classes or numbers, not for the"
            f" task {run.task.name} on {data.title}; use fp32"
        )
    return data


def _described(proto: bytes, exact_path: Path, count: int) -> bytes:
    """Return a model with the metadata of the file in floats and of its quantisation."""
    import onnx

    model = onnx.load_from_string(proto)
    del model.metadata_props[:]
    model.metadata_props.extend(onnx.load(exact_path).metadata_props)
    calibration = {"images": count, "part": "train", "ranges": "minimum and maximum"}
    for key, value in (("precision", PRECISION), ("calibration", json.dumps(calibration))):
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = value
    return bytes(model.SerializeToString())


def _value(path: Path, data: ImageData, task: Task, metric: str) -> float:
    """Return a metric of a file under onnxruntime on the validation part."""
    network: Any = OnnxNetwork(path)
    batches = data.validation.batches(_BATCH)
    return tally_of(network, batches, torch.device("cpu"), task).metrics()[metric]
