"""The command `python -m oneshot export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE

if TYPE_CHECKING:
    from oneshot.run import Run

_ONNX = "onnx"

# Parameter -> option that only files of ONNX have.
_ONNX_OPTIONS = {"opset": "--opset", "fold_bn": "--fold-bn", "raw": "--raw", "cache": "--cache"}


@click.command(
    epilog=example("""
        python -m oneshot export runs/network -o network.onnx
        python -m oneshot export runs/network --opset 21 --fold-bn -o network.onnx
        python -m oneshot export runs/network --precision int8 --max-drop 1.0 -o int8.onnx
        python -m oneshot export runs/network --to openvino --precision int8 -o network.xml
        """)
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--to",
    "target",
    default=_ONNX,
    show_default=True,
    help="Runtime of the files: onnx, openvino (.xml), litert (.tflite), ncnn (.param) or"
    " executorch (.pte).",
)
@click.option(
    "--opset",
    type=click.IntRange(18, 23),
    default=18,
    show_default=True,
    help="Version of ONNX's operator set.",
)
@click.option(
    "--fold-bn",
    is_flag=True,
    help="Fold batch normalisations into the convolutions before them; int8 always does.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    show_default=True,
    help="Number format of the file; int8 is calibrated on training images, fp16 is for ncnn.",
)
@click.option(
    "--max-drop",
    type=float,
    default=None,
    help="Largest loss of int8 or fp16 against fp32 on validation images, in points of top-1"
    " accuracy; a file that loses more is not written.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Write a detector's own outputs, without decoding of boxes and suppression.",
)
@click.option(
    "--cache",
    is_flag=True,
    help="Write one step of a decoder of text, with the cached keys and values as inputs.",
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    required=True,
    help="File to write; those with weights or metadata have its stem.",
)
def export(
    folder: Path,
    target: str,
    opset: int,
    fold_bn: bool,
    precision: str,
    max_drop: float | None,
    raw: bool,
    cache: bool,
    output: Path,
) -> None:
    """Export a retrained network to ONNX or another runtime and check it.

    In fp32 its outputs are compared with torch's. In int8 its accuracy under onnxruntime is
    measured next to that of the file in fp32. The metadata of the file name the architecture, the
    classes and the preprocessing. The file of a detector finds objects itself: boxes, scores and
    labels. A decoder of text reads a whole text, or with --cache one token after the other. Nothing
    is written where the check fails.
    """
    from oneshot.errors import InvalidOption
    from oneshot.run import read_run

    run = read_run(folder, "network")
    if max_drop is not None and precision == "fp32":
        raise InvalidOption("max_drop is for --precision int8; a file in fp32 loses no accuracy")
    if target != _ONNX:
        _refuse_options_of_onnx(target)
        click.echo(_runtime(run, target, precision, max_drop, output))
        return

    if precision == "fp16":
        raise InvalidOption("precision: ONNX files are written in fp32 and int8, not in fp16")
    if precision == "int8":
        if cache:
            raise InvalidOption("cache: steps of a decoder are written in fp32; leave one out")
        click.echo(_int8(run, opset, max_drop, output))
        return
    click.echo(_fp32(run, opset, fold_bn, raw, cache, output))


def _fp32(run: Run, opset: int, fold_bn: bool, raw: bool, cache: bool, output: Path) -> str:
    """Export a network in floats, and return what was written."""
    from oneshot.export.onnx import export as export_run

    exported = export_run(run, output, opset=opset, fold_bn=fold_bn, raw=raw, cache=cache)
    images = (
        f"{exported.images} images of the data set and random ones"
        if exported.images
        else "random images alone"
    )
    return (
        f"wrote {exported.path} (opset {exported.opset}, dynamic batch, {exported.nodes} operators,"
        f" {exported.norms} of them batch normalisations); differs from torch by"
        f" {exported.difference:.1g} on {images}"
    )


def _int8(run: Run, opset: int, max_drop: float | None, output: Path) -> str:
    """Export a network in int8, and return what was written."""
    from oneshot.export.int8 import export_int8

    exported = export_int8(run, output, opset=opset, max_drop=max_drop)
    task = run.task
    return (
        f"wrote {exported.path} (int8, opset {opset}, {exported.integer_operators} operators in"
        f" integers, calibrated on {exported.calibration_images} training images)\n"
        f"{task.title(exported.metric)} under onnxruntime on {exported.images} validation images:"
        f" fp32 {task.text(exported.metric, exported.fp32)}, int8"
        f" {task.text(exported.metric, exported.int8)}, {exported.drop:.2f} less"
    )


def _refuse_options_of_onnx(target: str) -> None:
    """Raise UsageError for options that only ONNX files have."""
    context = click.get_current_context()
    for parameter, option in _ONNX_OPTIONS.items():
        if context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} is for --to onnx; leave it out for {target}")


def _runtime(run: Run, target: str, precision: str, max_drop: float | None, output: Path) -> str:
    """Export a network to another runtime than onnxruntime, and return what was written."""
    from oneshot.export.runtime import export_to

    exported = export_to(run, output, target, precision=precision, max_drop=max_drop)
    images = (
        f"{exported.images} validation images and random ones"
        if exported.images
        else "random images alone"
    )
    text = (
        f"wrote {', '.join(map(str, exported.files))} ({target}, {precision},"
        f" {exported.size / 1e6:.2f} MB); differs from torch by {exported.difference:.1g} on"
        f" {images}"
    )
    accuracy = exported.accuracy
    if accuracy is None:
        return text

    task = run.task
    return (
        f"{text}\n{task.title(accuracy.metric)} under {target} on {accuracy.images} validation"
        f" images: torch {task.text(accuracy.metric, accuracy.torch)}, {precision}"
        f" {task.text(accuracy.metric, accuracy.files)}, {accuracy.drop:.2f} less"
    )
