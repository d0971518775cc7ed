"""Options and readers that several commands use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.registry import available
from spaces.console.options import Command

if TYPE_CHECKING:
    from predictor.ensemble.predictor import GraphPredictor

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
KINDS = click.Choice(available())
SEED = click.IntRange(0, 2**32 - 1)


def threads_option(command: Command) -> Command:
    """Add the option --threads, which holds while the command runs."""
    return click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=None,
        expose_value=False,
        callback=_fix_threads,
        help="Number of torch's threads.  [default: torch's own number]",
    )(command)


def _fix_threads(ctx: click.Context, parameter: click.Parameter, count: int | None) -> None:
    if count is not None:
        # Imported on demand: `--help` needs no torch.
        from spaces.threads import fixed_threads

        # The number is restored at the command's end, for callers within this process.
        ctx.with_resource(fixed_threads(count))


def load_source(path: Path, encoder: str) -> GraphPredictor:
    """Load the predictor of another space that a new one begins with.

    Args:
        path: File of the predictor.
        encoder: Kind of the new predictor.

    Raises:
        NotTransferable: `encoder` is not a graph predictor's, or the file's is another one.
        InvalidPredictor: The file does not hold a predictor.
    """
    from predictor.encoders.registry import ENCODERS
    from predictor.ensemble.predictor import GraphPredictor
    from predictor.errors import NotTransferable
    from predictor.registry import load

    if encoder not in ENCODERS:
        raise NotTransferable(f"{encoder} has no weights to begin with those of {path}; take gates")

    predictor = load(path)
    kind = predictor.encoder if isinstance(predictor, GraphPredictor) else predictor.kind
    if not isinstance(predictor, GraphPredictor) or kind != encoder:
        raise NotTransferable(
            f"{path} is a predictor of the kind {kind}; {encoder} begins with one of its own"
        )
    return predictor
