"""Options of the data set, and the data set that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import POSITIVE

if TYPE_CHECKING:
    from oneshot.data.images import ImageData

LOADING = [
    click.option(
        "--loader",
        type=click.Choice(["auto", "torch", "dali"]),
        default="auto",
        show_default=True,
        help="Library that loads images.",
    ),
    click.option(
        "--spos-preprocessing",
        is_flag=True,
        help="Images in BGR from 0 to 255, as in the release of SPOS.",
    ),
    click.option(
        "--limit", type=POSITIVE, default=None, help="Largest number of images of each part."
    ),
    click.option(
        "--validation",
        type=POSITIVE,
        default=None,
        help="Number of training images that form the validation part.",
    ),
    click.option(
        "--level",
        type=click.Choice(["words", "characters"]),
        default=None,
        help="Tokens of a text.  [default: words]",
    ),
    click.option(
        "--split",
        type=float,
        nargs=3,
        default=None,
        help="Fractions of a single text file for training, validation and test.  [default: 0.9"
        " 0.05 0.05]",
    ),
    click.option(
        "--encoding", default=None, help="Encoding of the files of a text.  [default: utf-8]"
    ),
]

DATA = [
    click.option(
        "--data",
        default="digits",
        show_default=True,
        help="Data set: a name, NAME:PATH (such as text:FOLDER) or a folder of images.",
    ),
    *LOADING,
]


def load_data(options: dict[str, Any], input_shape: tuple[int, int, int]) -> ImageData:
    """Load the data set that the options name."""
    from oneshot.data.registry import load

    preprocessing = "spos" if options["spos_preprocessing"] else "standard"
    names = ("loader", "limit", "validation")
    return load(
        options["data"],
        input_shape,
        preprocessing=preprocessing,
        text=text_options(options),
        **{name: options[name] for name in names},
    )


def text_options(options: dict[str, Any]) -> dict[str, Any] | None:
    """Return the options of texts that are set; None: none is."""
    names = ("level", "split", "encoding")
    return {name: options[name] for name in names if options[name] is not None} or None
