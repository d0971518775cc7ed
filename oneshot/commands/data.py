"""`python -m oneshot data`: what a data set is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spaces.console.group import example

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.data.inspection import Inspection

SMALL, LARGE = 32, 224


@click.command(
    epilog=example(
        """
        python -m oneshot data digits
        python -m oneshot data cifar10:downloads/cifar-10-python.tar.gz
        python -m oneshot data photographs --plot augmented.png
        """
    )
)
@click.argument("name", metavar="DATA")
@click.option(
    "--input-size",
    type=click.IntRange(min=1),
    default=None,
    help=f"Side of the network's input.  [default: {LARGE} for folders, else {SMALL}]",
)
@click.option(
    "--split-seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the validation part.",
)
@click.option(
    "--validation",
    type=click.IntRange(min=1),
    default=None,
    help="Images cut off for the validation part.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=None, help="At most so many images in each part."
)
@click.option(
    "--loader", type=click.Choice(["auto", "torch", "dali"]), default="auto", show_default=True
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=None,
    help="Processes that read.  [default: all]",
)
@click.option(
    "--spos-preprocessing", is_flag=True, help="BGR from 0 to 255, resized without antialiasing."
)
@click.option(
    "--check/--no-check", default=True, show_default=True, help="Decode every image file once."
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Augmented images, as PNG.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is plotted."
)
def data(
    name: str,
    input_size: int | None,
    split_seed: int,
    validation: int | None,
    limit: int | None,
    loader: str,
    workers: int | None,
    spos_preprocessing: bool,
    check: bool,
    plot: Path | None,
    seed: int,
) -> None:
    """Show what a data set is: classes, parts, image sizes, digest, unreadable files.

    DATA is a name, NAME:PATH, or the path of a folder of images (train/CLASS/*.jpg and
    val/CLASS/*.jpg, or the layout of Tiny-ImageNet). Names without a path are looked for in the
    folders of PATHFIT_DATA.
    """
    from oneshot.data.folder_split import FolderSplit
    from oneshot.data.inspection import inspect
    from oneshot.data.registry import load
    from spaces.console.progress import Bar

    def loaded(side: int) -> ImageData:
        kind = "spos" if spos_preprocessing else "standard"
        return load(
            name,
            (3, side, side),
            split_seed,
            loader=loader,
            preprocessing=kind,
            limit=limit,
            validation=validation,
            workers=workers,
        )

    found = loaded(input_size or SMALL)
    files = isinstance(found.train, FolderSplit)
    if files and input_size is None:
        found = loaded(LARGE)
    if check and files:
        with Bar(f"reading {found.name}") as bar:
            parts = inspect(found, bar.update)
        _show(found, parts)
    else:
        _show(found, None if files else inspect(found))
    if plot is not None:
        from oneshot.data.contact_sheet import contact_sheet

        contact_sheet(found, plot, seed)
        click.echo(f"wrote {plot}")


def _show(found: ImageData, parts: dict[str, Inspection] | None) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "images", "of each class", "width", "height", "unreadable")
    for title, split in (
        ("train", found.train),
        ("validation", found.validation),
        ("test", found.test),
    ):
        counts = np.bincount(split.labels.numpy(), minlength=found.num_classes)
        row = [title, f"{len(split)}", _span(counts)]
        if parts is None:
            row += ["not checked"] * 3
        else:
            sizes = parts[title].sizes
            row += [
                _span(sizes[:, 0], True),
                _span(sizes[:, 1], True),
                str(len(parts[title].unreadable)),
            ]
        table.add_row(*row)
    click.echo(found.name)
    Console().print(table)
    shown = ", ".join(found.classes[:8]) + (", ..." if len(found.classes) > 8 else "")
    click.echo(f"{found.num_classes} classes: {shown}")
    click.echo(f"split seed {found.split_seed}, digest of the parts {found.digest[:16]}")
    for title, part in (parts or {}).items():
        for file, reason in part.unreadable.items():
            click.echo(f"unreadable in {title}: {file}: {reason}")


def _span(values: object, median: bool = False) -> str:
    import numpy as np

    numbers = np.asarray(values)
    if not len(numbers):
        return "none"
    low, high = int(numbers.min()), int(numbers.max())
    if low == high:
        return str(low)
    return f"{low} to {high}" + (f", median {int(np.median(numbers))}" if median else "")
