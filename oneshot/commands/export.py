"""`python -m oneshot export`: write a trained network as ONNX."""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console import example


@click.command(epilog=example("python -m oneshot export runs/network -o network.onnx"))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def export(folder: Path, output: Path) -> None:
    """Export a retrained network to ONNX and check it against torch."""
    from oneshot.export import OPSET
    from oneshot.export import export as export_run
    from oneshot.run import read_run

    found = export_run(read_run(folder, "network"), output)
    click.echo(f"wrote {found.path} (opset {OPSET}, dynamic batch); differs from torch by {found.difference:.1g}")
