"""Export a trained network to a runtime's own files, and check them against torch."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from oneshot.data.structured import is_single
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.calibration import calibration_batches
from oneshot.evaluation.tallies import tally_of
from oneshot.export.comparison import TOLERANCE, greatest_difference
from oneshot.export.inputs import NetworkInputs
from oneshot.export.onnx import described, export
from oneshot.export.targets.base import ExportSource
from oneshot.export.targets.registry import TARGETS
from spaces.errors import InvalidFile, PathfitError

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.export.targets.base import FileNetwork, Target
    from oneshot.run import Run
    from oneshot.tasks.task import Task

_HEAD = "classes"
_ACCURACY = "top1"
_BATCH = 250

# Number of validation images whose outputs are compared.
_NUM_IMAGES = 16

# Largest difference where weights and activations are rounded to fp16.
_HALF_TOLERANCE = 3e-2


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of exported files next to that of the network in torch.

    Args:
        metric: Name of the metric.
        torch: Its value in torch.
        files: Its value with the files.
        drop: By how much the files are worse, in the metric's unit; below 0 they are better.
        images: Number of validation images.
    """

    metric: str
    torch: float
    files: float
    drop: float
    images: int


@dataclass(frozen=True)
class RuntimeExport:
    """Exported files and the result of their check.

    Args:
        files: Files, the first of which is the path of the export.
        size: Bytes of all files.
        difference: Largest absolute difference from torch's outputs, relative to their largest.
        images: Number of validation images that were compared, in addition to random ones; 0 if
            the data set is not available.
        accuracy: Accuracy on the validation part, of files that are not in fp32.
    """

    files: tuple[Path, ...]
    size: int
    difference: float
    images: int
    accuracy: Accuracy | None = None


def export_to(
    run: Run,
    path: str | Path,
    target_name: str,
    *,
    precision: str = "fp32",
    max_drop: float | None = None,
) -> RuntimeExport:
    """Write a run's network as files of a runtime, and compare them with torch.

    Outputs are compared on random images and on validation images. Files that are not in fp32 are
    evaluated on the whole validation part, which a retraining has not seen; int8 is calibrated on
    training images.

    Args:
        run: Trained run of the kind `network` that maps images to classes or numbers.
        path: First file to write, with the target's suffix; the others have its stem.
        target_name: Name of the runtime, of `TARGETS`.
        precision: Number format of the files.
        max_drop: Largest loss that is accepted, in the metric's unit (points of top-1 accuracy for
            a classification); None: any.

    Raises:
        InvalidOption: The runtime does not have the precision, or the network is none of images.
        InvalidFile: The path has another suffix, or cannot be written to.
        InvalidRun: The files differ from torch, or lose more than `max_drop`; nothing is written.
        UnsupportedConditions: The runtime's converter refuses the network.
    """
    target = TARGETS.get(target_name)()
    path = Path(path)
    _check(run, target, precision, path)
    data = _data(run, precision)

    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "network.onnx"
        export(run, onnx, fold_bn=True)
        calibration = []
        if precision == "int8" and data is not None:
            calibration = [batch.contiguous().numpy() for batch in calibration_batches(data.train)]
        network = run.load()
        metadata = {**described(run, data), "precision": precision}
        source = ExportSource(network, run.input_shape, onnx, metadata, calibration)

        # Next to the path: replacing works within a file system only.
        with _folder_next_to(path) as unfinished:
            written = Path(unfinished) / path.name
            target.write(source, precision, written)
            loaded = target.load(written)
            difference = _difference(run, network, loaded, data, precision)
            accuracy = None
            if precision != "fp32" and data is not None:
                accuracy = _accuracy(network, loaded, data, run.task)
                _check_drop(run.task, accuracy, precision, max_drop)

            sizes = [written.with_suffix(suffix).stat().st_size for suffix in target.suffixes]
            # The first file last: whoever sees it finds the others.
            for suffix in reversed(target.suffixes):
                written.with_suffix(suffix).replace(path.with_suffix(suffix))

    files = tuple(path.with_suffix(suffix) for suffix in target.suffixes)
    images = 0 if data is None else min(_NUM_IMAGES, len(data.validation))
    return RuntimeExport(files, sum(sizes), difference, images, accuracy)


def _check(run: Run, target: Target, precision: str, path: Path) -> None:
    if precision not in target.precisions:
        raise InvalidOption(
            f"precision: files of {target.name} are written in {', '.join(target.precisions)}, not"
            f" in {precision}"
        )
    if path.suffix != target.suffixes[0]:
        raise InvalidFile(
            f"{path}: a file of {target.name} ends in {target.suffixes[0]}, such as"
            f" {path.with_suffix(target.suffixes[0])}"
        )
    if len(run.space.input_shapes) != 1 or run.task.head != _HEAD:
        raise InvalidOption(
            f"to: {target.name} is for networks that map images to classes or numbers, not for the"
            f" task {run.task.name}; use --to onnx"
        )


def _data(run: Run, precision: str) -> ImageData | None:
    """Return the data set of a run; None where it is not on this machine and not needed."""
    try:
        data = run.data()
    except PathfitError as error:
        if precision == "fp32":
            return None
        raise InvalidOption(
            f"precision: accuracy in {precision} is measured on images that cannot be read: {error}"
        ) from error
    if not is_single(data):
        raise InvalidOption(
            f"to: images alone can be exported to other runtimes, not {data.title}; use --to onnx"
        )
    return data


def _folder_next_to(path: Path) -> Any:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise InvalidFile(f"cannot write {path}: {error.strerror}") from error


def _difference(
    run: Run, network: nn.Module, loaded: FileNetwork, data: ImageData | None, precision: str
) -> float:
    """Return the largest difference of outputs; raises InvalidRun where floats differ."""
    inputs = NetworkInputs.from_space(run.space, run.architecture)
    batches = [inputs.make(count) for count in (1, 3)]
    if data is not None:
        count = min(_NUM_IMAGES, len(data.validation))
        batches.append(data.validation.tensors(range(count))[0])

    differences = []
    for batch in batches:
        with torch.inference_mode():
            expected = network(batch).numpy()
        differences.append(greatest_difference([loaded(batch).numpy()], [expected]))

    # NaN must not be hidden by a maximum.
    worst = max(differences) if all(value == value for value in differences) else float("nan")
    tolerance = {"fp32": TOLERANCE, "fp16": _HALF_TOLERANCE}.get(precision)
    if tolerance is not None and not worst <= tolerance:
        raise InvalidRun(f"{run.folder}: the exported files differ from torch by {worst:.2g}")
    return worst


def _accuracy(network: nn.Module, loaded: FileNetwork, data: ImageData, task: Task) -> Accuracy:
    metric = _ACCURACY if _ACCURACY in task.metrics else task.score
    exact, rounded = (
        tally_of(model, data.validation.batches(_BATCH), torch.device("cpu"), task).metrics()[
            metric
        ]
        for model in (network, loaded)
    )
    drop = exact - rounded if task.metrics[metric].higher_is_better else rounded - exact
    return Accuracy(metric, exact, rounded, drop, len(data.validation))


def _check_drop(task: Task, accuracy: Accuracy, precision: str, max_drop: float | None) -> None:
    """Raise InvalidRun where files lose more than is accepted."""
    # Negated so that NaN fails too.
    if max_drop is not None and not accuracy.drop <= max_drop:
        raise InvalidRun(
            f"max_drop: in {precision} {task.title(accuracy.metric)} falls from"
            f" {task.text(accuracy.metric, accuracy.torch)} to"
            f" {task.text(accuracy.metric, accuracy.files)} on {accuracy.images} validation images,"
            f" by {accuracy.drop:.2f} rather than at most {max_drop:g}; raise --max-drop"
        )
