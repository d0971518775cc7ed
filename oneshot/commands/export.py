"""The command `python -m oneshot export`."""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE


@click.command(
    epilog=example("""
        python -m oneshot export runs/network -o network.onnx
        python -m oneshot export runs/network --opset 21 --fold-bn -o network.onnx
        """)
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
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
    help="Fold batch normalisations into the convolutions before them.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Write a detector's own outputs, without decoding of boxes and suppression.",
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    required=True,
    help="ONNX file to write.",
)
def export(folder: Path, opset: int, fold_bn: bool, raw: bool, output: Path) -> None:
    """Export a retrained network to ONNX and check it against torch.

    The metadata of the file name the architecture, the classes and the preprocessing. The file of
    a detector finds objects itself: boxes, scores and labels. Nothing is written where the check
    fails.
    """
    from oneshot.export.onnx import export as export_run
    from oneshot.run import read_run

    run = read_run(folder, "network")
    exported = export_run(run, output, opset=opset, fold_bn=fold_bn, raw=raw)
    images = (
        f"{exported.images} images of the data set and random ones"
        if exported.images
        else "random images alone"
    )
    click.echo(
        f"wrote {exported.path} (opset {exported.opset}, dynamic batch, {exported.nodes} operators,"
        f" {exported.norms} of them batch normalisations); differs from torch by"
        f" {exported.difference:.1g} on {images}"
    )
