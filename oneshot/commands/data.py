"""The command `python -m oneshot data`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.data import LOADING, text_options
from oneshot.errors import InvalidOption
from spaces.console.group import example
from spaces.console.options import with_options
from spaces.console.outputs import OUTPUT_FILE

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.data.inspection import Inspection

SMALL = 32
LARGE = 224


@click.command(
    epilog=example(
        """
        python -m oneshot data digits
        python -m oneshot data cifar10:downloads/cifar-10-python.tar.gz
        python -m oneshot data photographs --plot augmented.png
        python -m oneshot data text:shakespeare.txt.gz --level characters
        """
    )
)
@click.argument("name", metavar="DATA")
@click.option(
    "--input-size",
    type=click.IntRange(min=1),
    default=None,
    help=f"Side of the network's input in pixels.  [default: {LARGE} for folders, else {SMALL}]",
)
@click.option(
    "--split-seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the validation part.",
)
@with_options(*LOADING)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=None,
    help="Number of processes that decode images.  [default: all cores]",
)
@click.option(
    "--check/--no-check", default=True, show_default=True, help="Decode every image file once."
)
@click.option(
    "--plot",
    type=OUTPUT_FILE,
    default=None,
    help="PNG file for a sheet of augmented images.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the plotted images.",
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
    **text: Any,
) -> None:
    """Show the classes, parts, image sizes, digest and unreadable files of a data set.

    DATA is a name, NAME:PATH, or the path of a folder of images (train/CLASS/*.jpg and
    val/CLASS/*.jpg, or the layout of Tiny-ImageNet). A name without a path is searched for in the
    folders of PATHFIT_DATA. Of a text it shows the tokens of each part and the vocabulary.
    """
    from oneshot.data.folder_split import FolderSplit
    from oneshot.data.inspection import inspect
    from oneshot.data.registry import TEXTS, load
    from spaces.console.progress import Bar

    if name.partition(":")[0] in TEXTS:
        if plot is not None:
            raise InvalidOption("plot: a text has no images; leave out --plot")
        # Windows of one token, so that no part is too short.
        window: Any = (1,)
        _show_text(load(name, window, limit=limit, validation=validation, text=text_options(text)))
        return

    def load_at(side: int) -> ImageData:
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
            text=text_options(text),
        )

    images = load_at(input_size or SMALL)
    is_folder = isinstance(images.train, FolderSplit)
    if is_folder and input_size is None:
        images = load_at(LARGE)

    inspections: dict[str, Inspection] | None = None
    if not is_folder:
        # Images in memory are inspected at once.
        inspections = inspect(images)
    elif check:
        with Bar(f"reading {images.name}") as bar:
            inspections = inspect(images, bar.update)
    _show(images, inspections)

    if plot is not None:
        from oneshot.data.contact_sheet import contact_sheet

        contact_sheet(images, plot, seed)
        click.echo(f"wrote {plot}")


def _show_text(data: ImageData) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "tokens", "unknown")
    for title, split in (
        ("train", data.train),
        ("validation", data.validation),
        ("test", data.test),
    ):
        # All tokens but the first one are predicted.
        inputs, _ = split.tensors()
        unknown = int((inputs == data.classes.index("<unk>")).sum())
        table.add_row(title, f"{len(inputs) + 1}", f"{unknown / len(inputs):.2%}")

    click.echo(data.name)
    Console().print(table)
    record = data.record()
    click.echo(f"vocabulary of {data.num_classes} tokens, digest {record['vocabulary'][:16]}")
    click.echo(f"digest of the parts {data.digest[:16]}")


def _show(images: ImageData, inspections: dict[str, Inspection] | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from oneshot.data.inspection import has_classes

    classified = has_classes(images.train.labels)
    targets = "of each class" if classified else "targets"
    table = Table("part", "images", targets, "width", "height", "unreadable")
    for title, split in (
        ("train", images.train),
        ("validation", images.validation),
        ("test", images.test),
    ):
        row = [title, f"{len(split)}", _targets(split.labels, images.num_classes)]
        if inspections is None:
            row += ["not checked"] * 3
        else:
            sizes = inspections[title].sizes
            row += [
                _span(sizes[:, 0], True),
                _span(sizes[:, 1], True),
                str(len(inspections[title].unreadable)),
            ]
        table.add_row(*row)

    click.echo(images.name)
    Console().print(table)
    if classified or images.classes:
        class_names = ", ".join(images.classes[:8]) + (", ..." if len(images.classes) > 8 else "")
        click.echo(f"{images.num_classes} classes: {class_names}")
    click.echo(f"split seed {images.split_seed}, digest of the parts {images.digest[:16]}")
    for title, inspection in (inspections or {}).items():
        for file, reason in inspection.unreadable.items():
            click.echo(f"unreadable in {title}: {file}: {reason}")


def _targets(labels: Any, num_classes: int) -> str:
    """Describe targets: the sizes of classes, or the range or the shape of other targets."""
    import numpy as np
    from torch import Tensor

    from oneshot.data.inspection import has_classes

    if has_classes(labels):
        return _span(np.bincount(labels.numpy(), minlength=num_classes))
    if hasattr(labels, "describe"):
        return str(labels.describe())
    if not isinstance(labels, Tensor):
        return "of varying length"
    if labels.ndim > 1:
        return f"of shape {' x '.join(map(str, labels.shape[1:]))}"
    if not len(labels):
        return "none"
    return f"{float(labels.min()):.4g} to {float(labels.max()):.4g}"


def _span(values: object, median: bool = False) -> str:
    import numpy as np

    numbers = np.asarray(values)
    if not len(numbers):
        return "none"
    low = int(numbers.min())
    high = int(numbers.max())
    if low == high:
        return str(low)
    return f"{low} to {high}" + (f", median {int(np.median(numbers))}" if median else "")
