"""The command `python -m oneshot curves`."""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE


@click.command(
    epilog=example("""
        python -m oneshot curves runs/supernet -o curves.png
        python -m oneshot curves runs/darts runs/pc-darts -o compared.png
        """)
)
@click.argument(
    "folders",
    metavar="RUN...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("-o", "--output", type=OUTPUT_FILE, required=True, help="Picture, a PNG file.")
def curves(folders: tuple[Path, ...], output: Path) -> None:
    """Plot the training curves of runs: loss, metrics, learning rate.

    RUN is the folder of a training or retraining. Searches of architectures add probabilities,
    costs and the largest eigenvalue. Several runs share the panels.
    """
    from oneshot.training.curves import labels, plot_curves, read_curves

    if output.suffix.lower() != ".png":
        raise click.BadParameter("curves are PNG files; choose a name that ends in .png")
    distinct = list(dict.fromkeys(folders))
    runs = [read_curves(folder) for folder in distinct]
    plot_curves(dict(zip(labels(distinct), runs, strict=True)), output)
    click.echo(f"wrote {output}")
